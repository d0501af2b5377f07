"""The marked screw and where it has to go, of one environment."""

import jax
import jax.numpy as jnp

from screwpush_sim.state import SimState

MARKED = 0
"""Number of the marked screw among all."""


def to_goal(goal_pos_m: tuple[float, float], state: SimState) -> jax.Array:
    """From the marked screw's centre to the disc's, `goal_pos_m`, in the plane, `[2]` m."""
    return jnp.array(goal_pos_m) - state.bodies["screws"].pos_w[MARKED, :2]


def goal_distance(goal_pos_m: tuple[float, float], state: SimState) -> jax.Array:
    """Length `[]` (m) of `to_goal`, with a finite derivative at zero."""
    return jnp.sqrt(jnp.sum(to_goal(goal_pos_m, state) ** 2) + 1e-12)
