"""Physics that differs from scene to scene, in the terms of MuJoCo's model; for both engines of that family."""

# pyright: reportAttributeAccessIssue=false
# mujoco's names come from a compiled module without stubs.

from collections.abc import Callable, Sequence
from xml.etree import ElementTree as ET

import mujoco
import numpy as np
from mujoco.batch import MODEL_FIELDS, Batch

from screwpush_sim.body_size import with_body_size
from screwpush_sim.builders import mjcf
from screwpush_sim.errors import SceneNotSupportedError
from screwpush_sim.scene import Scene
from screwpush_sim.variation import Params

_WEIGH = "body_mass", "robot_mass"


def build_model(scene: Scene, params: Params) -> mujoco.MjModel:
    """The nominal model; it has the meshes of every size of its bodies."""
    return _build(scene, _sizes(params), None)


def vary(batch: Batch, scene: Scene, params: Params) -> None:
    """Gives each simulation of `batch`, made of `build_model`, what differs in its model, what MuJoCo
    derives from it included."""
    if "body_size" in params:
        _resize(batch, scene, params)
    for name, value in params.items():
        if name in _VARY:
            _VARY[name](batch, scene, np.asarray(value, float)[:, None])
    if any(name in params for name in _WEIGH):
        batch.set_const()


def varied_fields(model: mujoco.MjModel, scene: Scene, params: Params) -> dict[str, np.ndarray]:
    """The fields of `model` that differ, `[N, ...]`, what MuJoCo derives from them included."""
    (num_envs,) = {len(value) for value in params.values()}
    batch = Batch(model, num_envs)
    vary(batch, scene, params)
    found = {name: batch.expanded(name) for name in MODEL_FIELDS}
    return {name: np.array(value) for name, value in found.items() if value is not None}


def _friction(batch: Batch, scene: Scene, factor: np.ndarray) -> None:
    batch.expand("geom_friction")[..., 0] *= factor


def _drive_gain(batch: Batch, scene: Scene, factor: np.ndarray) -> None:
    """A position drive's force is gain * target + bias * (position, velocity), a motor's gain * control."""
    for name in ("actuator_gainprm", "actuator_biasprm"):
        batch.expand(name)[:] *= factor[..., None]


def _body_mass(batch: Batch, scene: Scene, factor: np.ndarray) -> None:
    names = [mjcf.body_name(group, i) for group in scene.groups for i in range(group.count)]
    _weigh(batch, names, factor)


def _robot_mass(batch: Batch, scene: Scene, factor: np.ndarray) -> None:
    _weigh(batch, [link.name for link in scene.robot.links], factor)


def _weigh(batch: Batch, names: list[str], factor: np.ndarray) -> None:
    rows = [batch.model.body(name).id for name in names]
    batch.expand("body_mass")[:, rows] *= factor
    batch.expand("body_inertia")[:, rows] *= factor[..., None]


_VARY: dict[str, Callable[[Batch, Scene, np.ndarray], None]] = {
    "friction": _friction,
    "body_mass": _body_mass,
    "robot_mass": _robot_mass,
    "drive_gain": _drive_gain,
}


def _resize(batch: Batch, scene: Scene, params: Params) -> None:
    """Of a model for each size: whatever field differs between them and the nominal one."""
    sizes = _sizes(params)
    models = [_build(scene, sizes, number) for number in range(len(sizes))]
    which = np.searchsorted(sizes, np.asarray(params["body_size"], float))
    for name in (name for name in MODEL_FIELDS if "." not in name):  # options are the same in all
        values = [getattr(model, name) for model in models]
        nominal = getattr(batch.model, name)
        if any(value.shape != nominal.shape for value in values):
            raise RuntimeError(f"models of bodies of other sizes have another {name}")
        if any((value != nominal).any() for value in values):
            rows = batch.expand(name)  # of bvh_aabb the bodies', which come before the meshes'
            rows[:] = np.stack(values)[which][:, : rows.shape[1]]


def _sizes(params: Params) -> list[float]:
    """Each once, rising."""
    return np.unique(np.asarray(params.get("body_size", ()), float)).tolist()


def _build(scene: Scene, sizes: Sequence[float], number: int | None) -> mujoco.MjModel:
    """The model with bodies of size `number`, or of the nominal one, and the meshes of all: so they are
    numbered alike in every model."""
    texts = [mjcf.build_mjcf(one) for one in (scene, *(with_body_size(scene, s) for s in sizes))]
    if not sizes:
        return _compiled(texts[0])
    roots = [ET.fromstring(text) for text in texts]
    for mark, root in enumerate(roots):
        for mesh in root.iter("mesh"):
            mesh.set("name", f"{mesh.get('name')}_{mark}")
        for geom in root.iter("geom"):
            if geom.get("mesh"):
                geom.set("mesh", f"{geom.get('mesh')}_{mark}")
    meshes = [mesh for root in roots for mesh in root.iter("mesh")]
    chosen = roots[0 if number is None else 1 + number]
    asset = chosen.find("asset")
    assert asset is not None
    asset[:] = meshes
    return _compiled(ET.tostring(chosen, encoding="unicode"))


def _compiled(text: str) -> mujoco.MjModel:
    """Raises SceneNotSupportedError for what MuJoCo finds to be no model."""
    try:
        return mujoco.MjModel.from_xml_string(text)
    except ValueError as error:
        said = " ".join(str(error).removeprefix("Error: ").split())
        raise SceneNotSupportedError(f"MuJoCo cannot simulate the scene: {said}") from error
