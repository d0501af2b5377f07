"""What older checkpoint formats and configurations hold, as this version lays it out.

Formats 1 and 2 (versions 0.1 and 0.2): the learner is of PPO and has one normaliser of observations,
`policy.obs_moments`, which is today's `policy.obs_moments["policy"]`. All else lies where it lay.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple


class _Layout(NamedTuple):
    """How a format lays the learner out."""

    of_today: Callable[[Any], Any]
    to_today: Callable[[Any], Any]


def _with_moments(learner: Any, obs_moments: Any) -> Any:
    policy = dataclasses.replace(learner.policy, obs_moments=obs_moments)
    return dataclasses.replace(learner, policy=policy)


_ONE_NORMALIZER = _Layout(
    lambda learner: _with_moments(learner, learner.policy.obs_moments["policy"]),
    lambda learner: _with_moments(learner, {"policy": learner.policy.obs_moments}),
)
_LAYOUTS = {1: _ONE_NORMALIZER, 2: _ONE_NORMALIZER}
"""By format; one that is not here has today's."""


def learner_as_saved(version: int, learner: Any) -> Any:
    """Today's `learner`, whose arrays may be abstract, laid out as format `version` holds it."""
    return _LAYOUTS[version].of_today(learner) if version in _LAYOUTS else learner


def learner_of_today(version: int, learner: Any) -> Any:
    """The inverse of `learner_as_saved`: a learner read from format `version` as today's."""
    return _LAYOUTS[version].to_today(learner) if version in _LAYOUTS else learner


SECTIONS = {"separate": "env", "scene": "env.scene"}
"""Sections of a configuration up to version 0.2.0, and where their fields are today."""
PHYSICS = {"physics_dt_s": "dt_s", "decimation": "decimation", "cone": "cone"}
"""Fields of a scene up to version 0.3.0, and what each of its named physics calls them today."""
_OLD = {
    **{"dt_s": 0.005, "decimation": 10, "solver_iterations": 0},
    **{"contact_time_s": 0.02, "contact_impedance": [0.9, 0.95]},
}
"""The physics of those versions where a file names nothing else."""
_DROPPED = {"mujoco_warp": ("max_overflows",)}
"""An allowance that had another unit takes its default."""


_LOG = ("wandb", "swanlab")
"""Switches of the section `log` up to 0.4.0; since then names in its `to`."""


def config_of_today(tree: dict[str, Any]) -> dict[str, Any]:
    """The nested mapping of a run's configuration, whatever version wrote it, in today's names."""
    tree = {
        name: {k: v for k, v in value.items() if k not in _DROPPED.get(name, ())}
        if isinstance(value, dict)
        else value
        for name, value in tree.items()
    }
    for old, new in SECTIONS.items():
        if isinstance(tree.get(old), dict) and isinstance(tree.setdefault("env", {}), dict):
            *_, inner = new.split(".")
            tree["env"] |= tree.pop(old) if new == "env" else {inner: tree.pop(old)}
    return _with_named_physics(_with_log_to(tree))


def _with_log_to(tree: dict[str, Any]) -> dict[str, Any]:
    """Which loggers a run had up to 0.4.0: its own file, TensorBoard, and those that were on."""
    log = tree.get("log")
    if not isinstance(log, dict) or not set(_LOG) & log.keys():
        return tree
    to = ["jsonl", "tensorboard", *(name for name in _LOG if log.get(name) is True)]
    return tree | {"log": {"to": to} | {k: v for k, v in log.items() if k not in _LOG}}


def _with_named_physics(tree: dict[str, Any]) -> dict[str, Any]:
    """The one physics that a scene had up to 0.3.0 is what training stepped, and evaluation, too."""
    scene = tree["env"].get("scene") if isinstance(tree.get("env"), dict) else None
    if not isinstance(scene, dict):
        return tree
    physics = {new: scene[old] for old, new in PHYSICS.items() if old in scene}
    if not physics:
        return tree
    scene = {name: value for name, value in scene.items() if name not in PHYSICS}
    scene["physics"] = {"train": {**_OLD, **physics}, "eval": {**_OLD, **physics}}
    if all(
        isinstance(scene["physics"]["eval"][name], int | float) for name in ("dt_s", "decimation")
    ):
        control_dt_s = scene["physics"]["eval"]["dt_s"] * scene["physics"]["eval"]["decimation"]
        scene["physics"]["reference"] = {"dt_s": control_dt_s / 50, "decimation": 50}
    return tree | {"env": tree["env"] | {"scene": scene}}


def hint(section: str) -> str:
    """Where an unknown section's fields are today; empty if it never was one."""
    return f" (its fields are in {SECTIONS[section]} since 0.3.0)" if section in SECTIONS else ""


def field_hint(path: str) -> str:
    """Where an unknown field is today; empty if it never was one."""
    *section, name = path.split(".")
    if section == ["log"] and name in _LOG:
        return f" (since 0.5.0 log.to: jsonl, tensorboard, {name})"
    if section[-1:] != ["scene"] or name not in PHYSICS:
        return ""
    moved = (f"{path.removesuffix(name)}physics.{one}.{PHYSICS[name]}" for one in ("train", "eval"))
    return f" (since 0.4.0 {' and '.join(moved)})"
