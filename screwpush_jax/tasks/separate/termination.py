"""When the screws count as separated: a named boolean of one environment's state."""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.geometry import pair_distances
from screwpush_jax.tasks.screws.termination import is_settled
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_sim.state import SimState


def is_separated(config: SeparateConfig, state: SimState) -> jax.Array:
    """Success condition `[]` of this instant: apart, in the area, on the table, at rest."""
    apart = jnp.all(pair_distances(state.bodies["screws"].pos_w) >= config.separation_m)
    return apart & is_settled(config, state)
