"""The rollout buffer."""

import jax
import jax.numpy as jnp

from screwpush_jax.algorithms.common.types import Rollout


def init_rollout(num_steps: int, step: Rollout) -> Rollout:
    """An empty buffer `[T, N, ...]` of steps like `step`, whose leaves are `[N, ...]`."""
    return jax.tree.map(lambda leaf: jnp.zeros((num_steps, *leaf.shape), leaf.dtype), step)


def record(rollout: Rollout, t: jax.Array, step: Rollout) -> Rollout:
    """`rollout` with `step` (leaves `[N, ...]`) at time `t`."""
    return jax.tree.map(lambda buffer, leaf: buffer.at[t].set(leaf), rollout, step)
