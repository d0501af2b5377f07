"""What older checkpoint formats hold, as this version lays it out.

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


def config_of_today(tree: Any) -> Any:
    """A saved configuration without what is known no more: its default is taken.

    `mujoco_warp.max_overflows` had another unit than the share that took its place.
    """
    section = tree.get("mujoco_warp") if isinstance(tree, dict) else None
    if not isinstance(section, dict):
        return tree
    kept = {name: value for name, value in section.items() if name != "max_overflows"}
    return tree | {"mujoco_warp": kept}
