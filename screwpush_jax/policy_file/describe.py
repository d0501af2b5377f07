"""What a policy file says about itself, as JSON: all that a user needs without this package."""

import dataclasses
from importlib import metadata
from typing import Any

from screwpush_jax.algorithms.algorithm import Algorithm
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config, to_tree
from screwpush_jax.policy_file.controller import (
    ACTION,
    CONTROL,
    OBSERVATION,
    POLICY,
    STEP,
    Controller,
    is_memory,
)
from screwpush_jax.tasks.optional import obs_sets
from screwpush_jax.tasks.task import Task
from screwpush_sim.physics import Name
from screwpush_sim.scene import Scene

FORMAT = 1
"""Raised when a reader of older files would misread a new one."""
_USE = (
    "Once every control_dt_s seconds: give the state and the memory that the last call returned, get"
    " the control and the next memory. step counts the calls of an episode from 0; at 0 the memory is"
    " not read. Frames: world, z up; quaternions wxyz; velocities are of the body's origin."
)
_SET_NOTE = (
    "From start on num_members members of size numbers each follow each other, in any order; layout has"
    " the first one's rows. The first number of each is 1, or 0 where its place is empty; set_normalizer"
    " is of the others, normalizer of all that is in no member."
)
_UNITS = {
    "joint_pos": "rad",
    "joint_vel": "rad/s",
    "base_pos_w": "m",
    "base_quat_w": "1, wxyz",
    "base_linvel_w": "m/s",
    "base_angvel_w": "rad/s, world axes",
    "pos_w": "m, of the body's origin",
    "quat_w": "1, wxyz",
    "linvel_w": "m/s, of the body's origin",
    "angvel_w": "rad/s, world axes",
}
"""Of a state's parts by their names (`sim/state.py`)."""


def describe(
    config: Config, found: Found, physics: Name, task: Any, algorithm: Algorithm, policy: Any
) -> dict[str, Any]:
    """The description of an `Exportable` task's policy, without its controller's arrays."""
    scene: Scene = task.scene(physics)
    return {
        "format": FORMAT,
        "made_by": f"screwpush-jax {metadata.version('screwpush-jax')}",
        "use": _USE,
        "task": task.name,
        "settings": to_tree(config)["env"],
        "checkpoint": {"run": found.run_dir.name, "control_steps": found.step},
        "control_dt_s": scene.physics.control_dt_s,
        "physics": {
            "name": physics,
            "dt_s": scene.physics.dt_s,
            "decimation": scene.physics.decimation,
        },
        "horizon": task.horizon,
        "joints": [{"name": j.name, "range_rad": list(j.range_rad)} for j in scene.robot.joints],
        "bodies": {group.name: group.count for group in scene.groups},
        "control": _control(scene),
        "action": {
            "axes": [axis._asdict() for axis in task.action_axes],
            "clipped_to": [-1.0, 1.0],
        },
        "observation": {"layout": _layout(task), **_sets(task), **algorithm.describe(policy)},
    }


def describe_arrays(controller: Controller, scene: Scene) -> dict[str, Any]:
    """Names, shapes, types and units of what goes in and comes out."""

    def rows(table: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "shape": list(x.shape),
                "dtype": str(x.dtype),
                "unit": _unit(name, scene),
            }
            for name, x in table.items()
        ]

    return {"inputs": rows(controller.inputs), "outputs": rows(controller.outputs)}


def _sets(task: Task) -> dict[str, Any]:
    """Of what acts: where the members of a set stand, if it has one."""
    one = obs_sets(task).get(POLICY)
    return {"set": dataclasses.asdict(one) | {"note": _SET_NOTE}} if one else {}


def _layout(task: Task) -> list[dict[str, Any]]:
    names = ("name", "start", "stop", "unit")
    return [dict(zip(names, field, strict=True)) for field in task.obs_layout]


def _control(scene: Scene) -> dict[str, Any]:
    low, high = scene.robot.control_range
    drives = [joint.drive.kind for joint in scene.robot.joints]
    return {"drives": drives, "low": list(low), "high": list(high)}


def _unit(name: str, scene: Scene) -> str:
    fixed = {
        STEP: "calls since the episode began, 0 at its first",
        OBSERVATION: "as in observation.layout",
        ACTION: "1, as the network gives it, not clipped",
        CONTROL: "rad of a position drive, N m of a torque drive",
    }
    if is_memory(name):
        return "to be given back"
    if name.startswith("contact."):
        return "N, world axes, on the link"
    return fixed.get(name) or _UNITS[name.split(".")[-1]]
