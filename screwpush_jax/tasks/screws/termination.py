"""How an episode ends: named booleans of one environment's state."""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.config import ScrewsConfig
from screwpush_jax.tasks.screws.geometry import safe_norm
from sim.protocol import SimState


def is_settled(config: ScrewsConfig, state: SimState) -> jax.Array:
    """Every screw lies on the table, in the area, at rest, `[]`."""
    low = jnp.all(state.screw_pos_w[:, 2] < config.max_height_m)
    still = jnp.all(safe_norm(state.screw_linvel_w) < config.rest_speed_m_s)
    return low & still & ~is_out(config, state)


def is_out(config: ScrewsConfig, state: SimState) -> jax.Array:
    """A screw left the work area or fell, `[]`."""
    offset = jnp.abs(state.screw_pos_w[:, :2] - jnp.array([config.area_center_m]))
    outside = jnp.any(offset > config.area_half_m)
    return outside | jnp.any(state.screw_pos_w[:, 2] < config.fall_height_m)


def is_invalid(config: ScrewsConfig, state: SimState) -> jax.Array:
    """The physics blew up, `[]`: a value is not finite or a screw is absurdly fast."""
    finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state)]))
    # not (speed <= limit): true for NaN, too
    return ~finite | ~jnp.all(safe_norm(state.screw_linvel_w) <= config.max_speed_m_s)
