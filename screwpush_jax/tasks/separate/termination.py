"""How an episode ends: named booleans of one environment's state."""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.geometry import pair_distances, safe_norm
from screwpush_jax.tasks.separate.config import SeparateConfig
from sim.state import SimState


def is_separated(config: SeparateConfig, state: SimState) -> jax.Array:
    """Success condition `[]` of this instant: apart, in the area, on the table, at rest."""
    apart = jnp.all(pair_distances(state.bodies["screws"].pos_w) >= config.separation_m)
    low = jnp.all(state.bodies["screws"].pos_w[:, 2] < config.max_height_m)
    still = jnp.all(safe_norm(state.bodies["screws"].linvel_w) < config.rest_speed_m_s)
    return apart & low & still & ~is_out(config, state)


def is_out(config: SeparateConfig, state: SimState) -> jax.Array:
    """A screw left the work area or fell, `[]`."""
    offset = jnp.abs(state.bodies["screws"].pos_w[:, :2] - jnp.array([config.area_center_m]))
    outside = jnp.any(offset > config.area_half_m)
    return outside | jnp.any(state.bodies["screws"].pos_w[:, 2] < config.fall_height_m)


def is_invalid(config: SeparateConfig, state: SimState) -> jax.Array:
    """The physics blew up, `[]`: a value is not finite or a screw is absurdly fast."""
    finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state)]))
    # not (speed <= limit): true for NaN, too
    return ~finite | ~jnp.all(safe_norm(state.bodies["screws"].linvel_w) <= config.max_speed_m_s)
