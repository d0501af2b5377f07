"""The scripted baseline: drive the rod between the closest pair, push one of the two outward.

Four phases follow from the geometry alone, so the policy has no memory: rise when the tip is low
and in the wrong place, travel above the screws to the entry point, go down, push.
"""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.geometry import pair_distances, pair_indices
from screwpush_jax.tasks.separate.config import AXES, SeparateConfig
from screwpush_jax.tasks.task import Episode, Scene

_TRAVEL_M = 0.07
"""Tip height at which the rod passes above lying screws."""
_PUSH_M = 0.014
"""Tip height while pushing."""
_ENTRY_M = 0.006
"""How close to the entry point's vertical the tip is before it goes down."""
_CORRIDOR_M = 0.020
"""How far from the line of the push a lowered tip may be."""


def scripted_action(config: SeparateConfig, episode: Episode, scene: Scene) -> jax.Array:
    """Action `[A]` of one environment."""
    pos, tip = scene.state.screw_pos_w, scene.command.pos_w
    first, second = pair_indices(pos.shape[0])
    closest = jnp.argmin(pair_distances(pos))
    center = jnp.array(config.area_center_m)
    a, b = pos[jnp.array(first)[closest]][:2], pos[jnp.array(second)[closest]][:2]
    # push the one that is farther from the centre of gravity of all screws, away from the other
    middle = jnp.mean(pos[:, :2], axis=0)
    outer_is_a = jnp.sum((a - middle) ** 2) > jnp.sum((b - middle) ** 2)
    target, other = jnp.where(outer_is_a, a, b), jnp.where(outer_is_a, b, a)
    away = (target - other) / (jnp.linalg.norm(target - other) + 1e-6)
    inward = (center - target) / (jnp.linalg.norm(center - target) + 1e-6)
    near_edge = jnp.max(jnp.abs(target - center)) > 0.8 * config.area_half_m
    away = jnp.where(near_edge, inward, away)
    entry = target - 0.022 * away
    offset = tip[:2] - target
    along = jnp.dot(offset, away)
    across = offset - along * away
    pushing = (along < 0.0) & (along > -0.045) & (jnp.linalg.norm(across) < _CORRIDOR_M)
    low = tip[2] < 0.5 * (_TRAVEL_M + _PUSH_M)
    over_entry = jnp.linalg.norm(tip[:2] - entry) < _ENTRY_M
    push_point = target + 0.02 * away - across
    goal = jnp.where(
        low & pushing,
        jnp.append(push_point, _PUSH_M),
        jnp.where(
            low & ~over_entry,
            jnp.append(tip[:2], _TRAVEL_M + 0.01),
            jnp.where(over_entry, jnp.append(entry, _PUSH_M), jnp.append(entry, _TRAVEL_M)),
        ),
    )
    move = jnp.clip((goal - tip) / config.position_step_m, -1.0, 1.0)
    move = jnp.where(low & pushing, jnp.clip(move, -0.5, 0.5), move)
    full = jnp.concatenate([move, jnp.zeros(3)])
    return full[jnp.array([AXES.index(axis) for axis in config.active_axes])]
