"""The scripted baseline: push outward, one after the other, what is too close to another screw.

It picks among these screws the one farthest out behind whose head there is room for the rod, and
finishes the push that it has begun (`screwpush_jax.tasks.screws.pushing`).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.geometry import pair_distances, pair_indices
from screwpush_jax.tasks.screws.parking import present
from screwpush_jax.tasks.screws.pushing import Pushes, heads, is_free, push
from screwpush_jax.tasks.screws.types import Derived, Memory
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_sim.state import SimState


def scripted(task: Any, memory: Memory, derived: Derived, key: jax.Array) -> jax.Array:
    """Actions `[N, A]`; a `screwpush_jax.tasks.task.Baseline`."""
    del memory, key
    return jax.vmap(partial(_action, task.config))(derived)


def _action(config: SeparateConfig, derived: Derived) -> jax.Array:
    """Action `[A]` of one environment."""
    return push(config, derived.command.pos_w, _pushes(config, derived.state))


def _pushes(config: SeparateConfig, state: SimState) -> Pushes:
    """A push outward for each screw, scored by the need for it."""
    pos, head = state.bodies["screws"].pos_w[:, :2], heads(state)
    there = present(config, state.bodies["screws"].pos_w)
    middle = jnp.mean(pos, axis=0, where=there[:, None] if len(config.counts) > 1 else None)
    outward = pos - middle[None]
    far = jnp.linalg.norm(outward, axis=-1, keepdims=True)
    direction = outward / (far + 1e-6)
    clear = is_free(state, head, direction)
    # towards the border there is less and less room to push into
    ahead = jnp.abs(pos + 0.1 * direction - jnp.array([config.area_center_m]))
    edge = jnp.max(ahead, axis=-1) > config.area_half_m
    score = far[:, 0] / config.separation_m + jnp.where(clear, 2.0, 0.0) - jnp.where(edge, 8.0, 0.0)
    crowded = _crowded(config, state.bodies["screws"].pos_w)
    return Pushes(head, direction, jnp.where(there, score + crowded, -jnp.inf))


def _crowded(config: SeparateConfig, screw_pos_w: jax.Array) -> jax.Array:
    """4 for each screw that is too close to another one, else 0, `[S]`."""
    first, second = pair_indices(screw_pos_w.shape[0])
    close = jnp.where(pair_distances(screw_pos_w) < 1.02 * config.separation_m, 4.0, 0.0)
    none = jnp.zeros(screw_pos_w.shape[0])
    return none.at[first].max(close).at[second].max(close)
