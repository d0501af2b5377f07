"""The scripted baseline: push the marked screw's head towards the disc, round it first.

It goes round to the side away from the disc; where another screw leaves no room there for the rod it
pushes somewhat to either side. Once the screw lies in the disc it stands still
(`screwpush_jax.tasks.screws.pushing`).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.geometry import MARKED, goal_distance, to_goal
from screwpush_jax.tasks.screws.pushing import Pushes, heads, is_free, push
from screwpush_jax.tasks.screws.types import Derived, Memory
from screwpush_sim.state import SimState

_ASIDE_RAD = (0.0, 0.5, -0.5, 1.0, -1.0)
"""Directions of the push, from the straight one; the earlier the better."""
_INSIDE = 0.7
"""The screw is left alone within this part of the disc's radius."""


def scripted(task: Any, memory: Memory, derived: Derived, key: jax.Array) -> jax.Array:
    """Actions `[N, A]`; a `screwpush_jax.tasks.task.Baseline`."""
    del memory, key
    return jax.vmap(partial(_action, task.config))(derived)


def _action(config: GoalConfig, derived: Derived) -> jax.Array:
    """Action `[A]` of one environment."""
    action = push(config, derived.command.pos_w, _pushes(config, derived.state))
    there = goal_distance(config.goal_pos_m, derived.state) < _INSIDE * config.goal_radius_m
    return jnp.where(there, jnp.zeros_like(action), action)


def _pushes(config: GoalConfig, state: SimState) -> Pushes:
    """Pushes of the marked screw's head towards the disc."""
    x, y = to_goal(config.goal_pos_m, state) / goal_distance(config.goal_pos_m, state)
    aside = jnp.array(_ASIDE_RAD)
    cos, sin = jnp.cos(aside), jnp.sin(aside)
    direction = jnp.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    head = jnp.broadcast_to(heads(state)[MARKED], direction.shape)
    clear = is_free(state, head, direction)
    return Pushes(head, direction, jnp.where(clear, 2.0, 0.0) - jnp.abs(aside))
