"""Reward of one environment: a dict of raw terms, weighted by `RewardWeights` of the same keys.

What potentials are, and the terms that other tasks have, too, is in `screwpush_jax.tasks.screws.reward`.
"""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.geometry import pair_distances, pair_indices, safe_norm
from screwpush_jax.tasks.screws.reward import Outcome, differences, event_terms
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_sim.state import SimState

_REACH_UNIT_M = 0.1


def potentials(
    config: SeparateConfig, state: SimState, tip_pos_w: jax.Array
) -> dict[str, jax.Array]:
    """Potentials `[]` by the name of their reward term; larger is better."""
    distances = pair_distances(state.bodies["screws"].pos_w)
    gaps = jnp.minimum(distances / config.separation_m, config.progress_clip)
    first, second = pair_indices(state.bodies["screws"].pos_w.shape[0])
    closest = jnp.argmin(distances)
    middle = (
        0.5 * (state.bodies["screws"].pos_w[first] + state.bodies["screws"].pos_w[second])[closest]
    )
    return {
        "progress": jnp.mean(gaps) + jnp.min(gaps),
        "reach": -safe_norm(tip_pos_w - middle) / _REACH_UNIT_M,
    }


def reward_terms(
    potential: dict[str, jax.Array], next_potential: dict[str, jax.Array], outcome: Outcome
) -> dict[str, jax.Array]:
    """Raw terms `[]` of one step, from the potentials before and after it."""
    return differences(potential, next_potential) | event_terms(outcome)
