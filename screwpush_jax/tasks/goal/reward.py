"""Reward of one environment: a dict of raw terms, weighted by `RewardWeights` of the same keys.

What potentials are, and the terms that other tasks have, too, is in `screwpush_jax.tasks.screws.reward`.
"""

import dataclasses
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.goal.geometry import MARKED, goal_distance, to_goal
from screwpush_jax.tasks.screws.geometry import quat_x_axis, safe_norm
from screwpush_jax.tasks.screws.reward import Outcome, differences, event_terms
from screwpush_sim.state import SimState

if TYPE_CHECKING:  # the configuration holds the weights
    from screwpush_jax.tasks.goal.config import GoalConfig

_UNIT_M = 0.1
_HEAD_M, _BEHIND_M = 0.043, 0.03
"""From the middle of a screw to its head; from there back to where the rod pushes it."""


@dataclasses.dataclass(frozen=True)
class RewardWeights:
    """Weight of each reward term; the keys are the terms'."""

    progress: float = 20.0
    """Approach of the marked screw to the disc's centre, in units of 0.1 m."""
    reach: float = 2.0
    """Approach of the tip to the place from which to push, in units of 0.1 m."""
    success: float = 10.0
    """Once, when the episode succeeds."""
    holding: float = 0.05
    """Each step in which the success condition holds."""
    failure: float = -10.0
    """Once, when a screw leaves the work area or falls."""
    action_rate: float = -0.002
    """Squared change of the action, summed over its axes."""
    time: float = -0.02
    """Each step."""


def potentials(config: "GoalConfig", state: SimState, tip_pos_w: jax.Array) -> dict[str, jax.Array]:
    """Potentials `[]` by the name of their reward term; larger is better."""
    nearest = config.progress_clip * config.goal_radius_m
    distance = jnp.maximum(goal_distance(config.goal_pos_m, state), nearest)
    return {
        "progress": -distance / _UNIT_M,
        "reach": -safe_norm(tip_pos_w - _push_point_w(config, state)) / _UNIT_M,
    }


def reward_terms(
    potential: dict[str, jax.Array], next_potential: dict[str, jax.Array], outcome: Outcome
) -> dict[str, jax.Array]:
    """Raw terms `[]` of one step, from the potentials before and after it."""
    return differences(potential, next_potential) | event_terms(outcome)


def _push_point_w(config: "GoalConfig", state: SimState) -> jax.Array:
    """Place `[3]` (m) on the table behind the marked screw's head, as seen from the disc."""
    screws = state.bodies["screws"]
    head = screws.pos_w[MARKED] + _HEAD_M * quat_x_axis(screws.quat_w[MARKED])
    direction = to_goal(config.goal_pos_m, state) / goal_distance(config.goal_pos_m, state)
    return jnp.append(head[:2] - _BEHIND_M * direction, 0.0)
