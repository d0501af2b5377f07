"""Physics that differs from scene to scene, in the terms of MuJoCo's model; for both engines of that family."""

# pyright: reportAttributeAccessIssue=false
# mujoco's names come from a compiled module without stubs.

from collections.abc import Callable

import mujoco
import numpy as np
from mujoco.batch import MODEL_FIELDS, Batch

from screwpush_sim.builders import mjcf
from screwpush_sim.scene import Scene
from screwpush_sim.variation import Params

_WEIGH = "body_mass", "robot_mass"


def vary(batch: Batch, scene: Scene, params: Params) -> None:
    """Gives each simulation of `batch` its own model of `scene`, and what MuJoCo derives from it."""
    for name, value in params.items():
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
