"""The scripted baseline: put the rod down behind a bolt's head and push it outward.

The head is what a rod can push: a lying shank is lower than the lowest command. The baseline picks,
among the screws that are too close to another one, the one farthest out whose entry point is free,
and finishes the push that it has begun. All follows from the state and the commanded pose, so the
policy has no memory.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.config import AXES
from screwpush_jax.tasks.screws.geometry import pair_distances, pair_indices, quat_x_axis
from screwpush_jax.tasks.screws.types import Derived, Memory
from screwpush_jax.tasks.separate.config import SeparateConfig

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


def scripted(task: Any, memory: Memory, derived: Derived, key: jax.Array) -> jax.Array:
    """Actions `[N, A]`; a `screwpush_jax.tasks.task.Baseline`."""
    del memory, key
    return jax.vmap(partial(_action, task.config))(derived)


def _action(config: SeparateConfig, derived: Derived) -> jax.Array:
    """Action `[A]` of one environment."""
    tip, push_m = derived.command.pos_w, config.tip_height_m[0] + 1e-3
    head, direction, score = _pushes(config, derived)
    offset = tip[None, :2] - head
    behind = jnp.sum(offset * direction, axis=-1) < 0.0
    low = tip[2] < _LOW_M
    begun = low & behind & (jnp.linalg.norm(offset, axis=-1) < _BEGUN_M)
    best = jnp.argmax(score + jnp.where(begun, 1.0, 0.0))
    entry = head[best] - _STANDOFF_M * direction[best]
    above = jnp.linalg.norm(tip[:2] - entry) < _NEAR_M
    goal = jnp.append(entry, jnp.where(above, push_m, _TRAVEL_M))
    goal = jnp.where(low & ~above, jnp.append(tip[:2], _TRAVEL_M), goal)
    push = jnp.append(head[best] + 0.02 * direction[best], push_m)
    down = tip[2] < push_m + 0.004
    push = jnp.where(down, push, jnp.append(tip[:2], push_m))
    goal = jnp.where(begun[best], push, goal)
    speed = jnp.where(begun[best], _PUSH_SPEED, 1.0)
    move = jnp.clip((goal - tip) / config.position_step_m, -speed, speed)
    full = jnp.concatenate([move, jnp.zeros(3)])
    return full[jnp.array([AXES.index(axis) for axis in config.active_axes])]


def _pushes(config: SeparateConfig, derived: Derived) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Heads `[S, 2]` (m), the direction to push each `[S, 2]`, and its score `[S]`."""
    screws = derived.state.bodies["screws"]
    pos = screws.pos_w[:, :2]
    axis = quat_x_axis(screws.quat_w)[:, :2]
    head = pos + _HEAD_M * axis
    middle = jnp.mean(pos, axis=0)[None]
    outward = pos - middle
    far = jnp.linalg.norm(outward, axis=-1, keepdims=True)
    direction = outward / (far + 1e-6)
    clear = _clearance(head - _STANDOFF_M * direction, pos, axis) > _FREE_M
    # towards the border there is less and less room to push into
    ahead = jnp.abs(pos + 0.1 * direction - jnp.array([config.area_center_m]))
    edge = jnp.max(ahead, axis=-1) > config.area_half_m
    score = far[:, 0] / config.separation_m + jnp.where(clear, 2.0, 0.0) - jnp.where(edge, 8.0, 0.0)
    return head, direction, score + _crowded(config, screws.pos_w)


def _clearance(entry: jax.Array, middle: jax.Array, axis: jax.Array) -> jax.Array:
    """Distance (m) of each entry point `[S, 2]` from the nearest shank, `[S]`."""
    offset = entry[:, None] - middle[None]
    along = jnp.sum(offset * axis[None], axis=-1)
    along = jnp.clip(along, -_HALF_SHANK_M, _HALF_SHANK_M)
    return jnp.min(jnp.linalg.norm(offset - along[..., None] * axis[None], axis=-1), axis=-1)


def _crowded(config: SeparateConfig, screw_pos_w: jax.Array) -> jax.Array:
    """4 for each screw that is too close to another one, else 0, `[S]`."""
    first, second = pair_indices(screw_pos_w.shape[0])
    close = jnp.where(pair_distances(screw_pos_w) < 1.02 * config.separation_m, 4.0, 0.0)
    none = jnp.zeros(screw_pos_w.shape[0])
    return none.at[first].max(close).at[second].max(close)
