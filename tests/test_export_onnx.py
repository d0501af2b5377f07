"""A policy that was trained, taken to ONNX, and used without anything of ours (extra `onnx`)."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax2onnx")
pytestmark = pytest.mark.heavy
ROOT = Path(__file__).parent.parent
ALONE = (
    "import runpy, sys; sys.modules.update(dict.fromkeys(['jax', 'screwpush_jax', 'screwpush_sim']));"
    " path = sys.argv.pop(1); runpy.run_path(path, run_name='__main__')"
)
"""Runs a program to which neither JAX nor this package is there."""


def run(*args, cwd):
    result = subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder with the file, and what the command said."""
    folder = tmp_path_factory.mktemp("exported")
    config = ("--config", ROOT / "configs/cpu.yaml", "--eval.episodes", 16, "--headless")
    budget = ("--max-minutes", 0, "--total-env-steps", 2_000_000)
    run("-m", "screwpush_jax.train", *config, *budget, cwd=folder)
    output = ("--format", "onnx", "--output", "policy.onnx")
    return folder, run("-m", "screwpush_jax.export", "--checkpoint", "best", *output, cwd=folder)


def test_onnx_runtime_computes_the_live_policy(exported):
    folder, said = exported
    pattern = r"over ([\d,]+) recorded observations the network differs by at most (\S+), the"
    steps, action, control = re.search(pattern + r" controls by (\S+),", said).groups()
    assert int(steps.replace(",", "")) >= 10_000
    assert float(action) <= 1e-5
    assert float(control) <= 1e-4
    assert sorted(path.name for path in folder.iterdir()) == ["policy.onnx", "runs"]


def test_the_file_holds_its_description(exported):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(exported[0] / "policy.onnx")
    about = json.loads(session.get_modelmeta().custom_metadata_map["controller"])
    assert [row["name"] for row in about["inputs"]] == [x.name for x in session.get_inputs()]
    assert [row["name"] for row in about["outputs"]] == [x.name for x in session.get_outputs()]
    assert [row["shape"] for row in about["inputs"]] == [x.shape for x in session.get_inputs()]


def test_the_example_drives_the_scene_to_success_without_us(exported):
    folder, _ = exported
    said = run("-c", ALONE, ROOT / "examples/run_policy.py", "policy.onnx", cwd=folder)
    won, of = map(int, re.search(r"(\d+) of (\d+) episodes succeeded", said).groups())
    assert of == 16
    assert won >= 11, said
