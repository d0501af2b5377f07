"""Reward of one environment: a dict of raw terms, weighted by `RewardWeights` of the same keys.

What potentials are, and the terms that other tasks have, too, is in `screwpush_jax.tasks.screws.reward`.
"""

import dataclasses
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.screws.geometry import pair_distances, pair_indices, safe_norm
from screwpush_jax.tasks.screws.parking import present
from screwpush_jax.tasks.screws.reward import Outcome, differences, event_terms
from screwpush_sim.state import SimState

if TYPE_CHECKING:  # the configuration holds the weights
    from screwpush_jax.tasks.separate.config import SeparateConfig

_REACH_UNIT_M = 0.1


@dataclasses.dataclass(frozen=True)
class RewardWeights:
    """Weight of each reward term; the keys are the terms'."""

    progress: float = 20.0
    """Growth of the pair distances: mean and minimum over pairs, clipped, in units of D."""
    reach: float = 2.0
    """Approach of the tip to the middle of the closest pair, in units of 0.1 m."""
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


def potentials(
    config: "SeparateConfig", state: SimState, tip_pos_w: jax.Array
) -> dict[str, jax.Array]:
    """Potentials `[]` by the name of their reward term; larger is better."""
    distances = pair_distances(state.bodies["screws"].pos_w)
    gaps = jnp.minimum(distances / config.separation_m, config.progress_clip)
    first, second = pair_indices(state.bodies["screws"].pos_w.shape[0])
    there = present(config, state.bodies["screws"].pos_w)
    closest = jnp.argmin(distances)  # no pair with a parked screw is a close one
    middle = (
        0.5 * (state.bodies["screws"].pos_w[first] + state.bodies["screws"].pos_w[second])[closest]
    )
    return {
        "progress": _mean(gaps, there[first] & there[second]) + jnp.min(gaps),
        "reach": -safe_norm(tip_pos_w - middle) / _REACH_UNIT_M,
    }


def _mean(gaps: jax.Array, counted: jax.Array | np.ndarray) -> jax.Array:
    """Mean `[]` of the `counted [P]` ones."""
    if isinstance(counted, np.ndarray):  # a constant: each pair counts
        return jnp.mean(gaps)
    return jnp.sum(jnp.where(counted, gaps, 0.0)) / jnp.sum(counted, dtype=gaps.dtype)


def reward_terms(
    potential: dict[str, jax.Array], next_potential: dict[str, jax.Array], outcome: Outcome
) -> dict[str, jax.Array]:
    """Raw terms `[]` of one step, from the potentials before and after it."""
    return differences(potential, next_potential) | event_terms(outcome)
