"""Pushing by script: put the rod down behind a bolt's head and push, as scripted baselines do.

The head is what a rod can push: a lying shank is lower than the lowest command. All follows from the
state and the commanded pose, so a policy made of this has no memory. One environment, `vmap` at the
edge; P pushes to choose from, S screws.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.config import AXES, ScrewsConfig
from screwpush_jax.tasks.screws.geometry import quat_x_axis
from screwpush_sim.state import SimState

_TRAVEL_M, _LOW_M = 0.085, 0.045
"""Tip height above lying screws; below the second the tip counts as lowered."""
_HEAD_M, _HALF_SHANK_M = 0.043, 0.045
"""From the middle of a screw to its head, and to its ends."""
_STANDOFF_M, _BEGUN_M = 0.032, 0.048
"""From the head to the entry point; a lowered tip this close behind a head has begun its push."""
_FREE_M = 0.018
"""An entry point this far from every shank is free."""
_NEAR_M = 0.006
"""The tip goes down when it is this close to the entry point's vertical."""
_PUSH_SPEED = 0.4
"""Part of the full step while pushing."""


class Pushes(NamedTuple):
    """What could be done."""

    head: jax.Array  # [P, 2] m
    direction: jax.Array  # [P, 2] unit vectors
    score: jax.Array  # [P] the best one is done; one that has begun counts for 1 more


def heads(state: SimState) -> jax.Array:
    """Where the heads are in the plane, `[S, 2]` m."""
    screws = state.bodies["screws"]
    return (screws.pos_w + _HEAD_M * quat_x_axis(screws.quat_w))[:, :2]


def is_free(state: SimState, head: jax.Array, direction: jax.Array) -> jax.Array:
    """Whether there is room to go down behind each head, `[P]`."""
    screws = state.bodies["screws"]
    middle, axis = screws.pos_w[:, :2], quat_x_axis(screws.quat_w)[:, :2]
    return _clearance(head - _STANDOFF_M * direction, middle, axis) > _FREE_M


def push(config: ScrewsConfig, command_pos_w: jax.Array, pushes: Pushes) -> jax.Array:
    """Action `[A]` towards the best push from the commanded tip `[3]` (m), or on with it."""
    tip, push_m = command_pos_w, config.tip_height_m[0] + 1e-3
    head, direction, score = pushes
    offset = tip[None, :2] - head
    behind = jnp.sum(offset * direction, axis=-1) < 0.0
    low = tip[2] < _LOW_M
    begun = low & behind & (jnp.linalg.norm(offset, axis=-1) < _BEGUN_M)
    best = jnp.argmax(score + jnp.where(begun, 1.0, 0.0))
    entry = head[best] - _STANDOFF_M * direction[best]
    above = jnp.linalg.norm(tip[:2] - entry) < _NEAR_M
    goal = jnp.append(entry, jnp.where(above, push_m, _TRAVEL_M))
    goal = jnp.where(low & ~above, jnp.append(tip[:2], _TRAVEL_M), goal)
    ahead = jnp.append(head[best] + 0.02 * direction[best], push_m)
    down = tip[2] < push_m + 0.004
    ahead = jnp.where(down, ahead, jnp.append(tip[:2], push_m))
    goal = jnp.where(begun[best], ahead, goal)
    speed = jnp.where(begun[best], _PUSH_SPEED, 1.0)
    move = jnp.clip((goal - tip) / config.position_step_m, -speed, speed)
    full = jnp.concatenate([move, jnp.zeros(3)])
    return full[jnp.array([AXES.index(axis) for axis in config.active_axes])]


def _clearance(entry: jax.Array, middle: jax.Array, axis: jax.Array) -> jax.Array:
    """Distance (m) of each entry point `[P, 2]` from the nearest shank, `[P]`."""
    offset = entry[:, None] - middle[None]
    along = jnp.sum(offset * axis[None], axis=-1)
    along = jnp.clip(along, -_HALF_SHANK_M, _HALF_SHANK_M)
    return jnp.min(jnp.linalg.norm(offset - along[..., None] * axis[None], axis=-1), axis=-1)
