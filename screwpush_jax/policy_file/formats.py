"""A policy file's two forms: ONNX, and a ZIP of what `jax.export` serialises.

Each is written, and read back as it will be used elsewhere: by ONNX Runtime, and by JAX from bytes.
"""

import importlib
import json
import logging
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.export
import numpy as np

from screwpush_jax import compiled
from screwpush_jax.errors import UsageError
from screwpush_jax.policy_file.controller import ACTION, OBSERVATION, Controller

DESCRIPTION, SCENE = "controller", "scene_mjcf"
"""Keys of the file's texts: JSON, and the scene to try it in."""
_OPSET = 21


class Loaded(NamedTuple):
    """What a file computes, called with host arrays."""

    controller: Callable[..., list[np.ndarray]]
    """`(*inputs) -> outputs`."""
    network: Callable[[np.ndarray], np.ndarray]
    """`observation [O] -> action [A]`."""


class Form(NamedTuple):
    """One of the two."""

    suffix: str
    check_installed: Callable[[], None]
    write: Callable[[Path, Controller, dict[str, str]], None]
    load: Callable[[Path], Loaded]


def _check_onnx() -> None:
    try:
        for name in ("jax2onnx", "onnx.utils", "onnxruntime"):
            importlib.import_module(name)
    except ImportError:
        hint = "--format onnx needs the extra `onnx`: pip install 'screwpush-jax[onnx]'"
        raise UsageError(hint) from None


def _write_onnx(path: Path, controller: Controller, texts: dict[str, str]) -> None:
    jax2onnx: Any = importlib.import_module("jax2onnx")
    onnx: Any = importlib.import_module("onnx")
    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # of shapes that it need not know
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = jax2onnx.to_onnx(
            controller.function,
            inputs=list(controller.inputs.values()),
            input_names=list(controller.inputs),
            output_names=list(controller.outputs),
            model_name=DESCRIPTION,
            opset=_OPSET,
        )
    _drop_unused(model.graph)
    onnx.helper.set_model_props(model, texts)
    path.write_bytes(model.SerializeToString())


def _drop_unused(graph: Any) -> None:
    """Constants that no node reads, of which ONNX Runtime would warn whoever loads the file."""
    read = {name for node in graph.node for name in node.input} | {x.name for x in graph.output}
    kept = [constant for constant in graph.initializer if constant.name in read]
    if not any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        del graph.initializer[:]
        graph.initializer.extend(kept)


def _load_onnx(path: Path) -> Loaded:
    onnx: Any = importlib.import_module("onnx")
    importlib.import_module("onnx.utils")
    model = onnx.load(path)
    part = onnx.utils.Extractor(model).extract_model([OBSERVATION], [ACTION])
    whole, network = _session(model), _session(part)
    names = [value.name for value in model.graph.input]
    return Loaded(
        lambda *inputs: whole.run(None, dict(zip(names, map(np.asarray, inputs), strict=True))),
        lambda obs: network.run(None, {OBSERVATION: obs})[0],
    )


def _session(model: Any) -> Any:
    ort: Any = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def _write_jax(path: Path, controller: Controller, texts: dict[str, str]) -> None:
    def serialized(function: Callable, *args: Any) -> bytes:
        jitted: Any = compiled.jit(function)
        exported = jax.export.export(jitted, platforms=("cpu", "cuda"))(*args)
        return bytes(exported.serialize())

    parts = {
        f"{DESCRIPTION}.json": texts[DESCRIPTION],
        f"{SCENE}.xml": texts[SCENE],
        "controller.bin": serialized(controller.function, *controller.inputs.values()),
        "network.bin": serialized(controller.network, controller.outputs[OBSERVATION]),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)


def _load_jax(path: Path) -> Loaded:
    with zipfile.ZipFile(path) as file:
        whole, network = (
            compiled.jit(jax.export.deserialize(bytearray(file.read(f"{name}.bin"))).call)
            for name in ("controller", "network")
        )
    return Loaded(
        lambda *inputs: [np.asarray(x) for x in whole(*inputs)],
        lambda obs: np.asarray(network(obs)),
    )


FORMS = {
    "onnx": Form(".onnx", _check_onnx, _write_onnx, _load_onnx),
    "jax": Form(".jax.zip", lambda: None, _write_jax, _load_jax),
}


def as_texts(description: dict[str, Any], scene_mjcf: str) -> dict[str, str]:
    """The two texts of a file."""
    return {DESCRIPTION: json.dumps(description, indent=1), SCENE: scene_mjcf}
