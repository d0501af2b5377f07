"""When the marked screw counts as brought to the disc: a named boolean of one environment's state."""

import jax

from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.geometry import MARKED, goal_distance
from screwpush_jax.tasks.screws.termination import is_low, is_out, is_still
from screwpush_sim.state import SimState


def is_in_goal(config: GoalConfig, state: SimState) -> jax.Array:
    """Success condition `[]` of this instant: the marked screw's centre lies in the disc, on the
    table, at rest, and every screw is in the area."""
    within = goal_distance(config.goal_pos_m, state) <= config.goal_radius_m
    rests = is_low(config, state)[MARKED] & is_still(config, state)[MARKED]
    return within & rests & ~is_out(config, state)
