"""Reward of one environment: a dict of raw terms, weighted by `RewardWeights` of the same keys.

A potential is a function of the state alone; its term is the difference of two neighbours, so that
over an episode it telescopes and cannot be farmed (Ng, Harada, Russell 1999, with discount 1).
"""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.geometry import pair_distances, pair_indices, safe_norm
from screwpush_jax.tasks.separate.config import SeparateConfig
from sim.state import SimState

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
    potential: dict[str, jax.Array],
    next_potential: dict[str, jax.Array],
    *,
    success: jax.Array,
    separated: jax.Array,
    out: jax.Array,
    action: jax.Array,
    prev_action: jax.Array,
) -> dict[str, jax.Array]:
    """Raw terms `[]` of one step; `action` and `prev_action [A]` are the clipped ones."""
    terms = {name: next_potential[name] - potential[name] for name in potential}
    return terms | {
        "success": success.astype(jnp.float32),
        "holding": separated.astype(jnp.float32),
        "failure": out.astype(jnp.float32),
        "action_rate": jnp.sum((action - prev_action) ** 2),
        "time": jnp.float32(1.0),
    }
