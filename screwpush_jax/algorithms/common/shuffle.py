"""Which samples make up which minibatch, whatever the number of devices."""

import jax
import jax.numpy as jnp

from screwpush_jax.algorithms.common.types import AXIS


def minibatch_rows(key: jax.Array, size: int, num_minibatches: int) -> jax.Array:
    """The sample numbers of one epoch's minibatches, `[num_minibatches, M]`: each once, at random."""
    return jax.random.permutation(key, size).reshape(num_minibatches, -1)


def sharded_rows(
    key: jax.Array, num_steps: int, num_envs: int, num_minibatches: int, num_shards: int
) -> jax.Array:
    """This device's part of each minibatch, `[num_minibatches, M]`: rows of its samples `[T * N]`.

    The environments of all devices are dealt to `num_shards` logical shards in their order, and each
    shard is shuffled by a key of its own and gives its share to every minibatch. So a minibatch holds
    the same samples on any number of devices that divides `num_shards`; 0 is a shard for each device.
    Runs inside the mapped axis `AXIS`, with `key` the same on all of it.
    """
    devices = jax.lax.axis_size(AXIS)
    own = max(num_shards // devices, 1)  # shards of this device
    first = jax.lax.axis_index(AXIS) * own
    width = num_envs // own
    size = num_steps * width

    if own == 1:
        return minibatch_rows(jax.random.fold_in(key, first), size, num_minibatches)

    def of_shard(number: jax.Array) -> jax.Array:
        rows = minibatch_rows(jax.random.fold_in(key, first + number), size, num_minibatches)
        return rows // width * num_envs + number * width + rows % width

    rows = jax.vmap(of_shard)(jnp.arange(own))
    return jnp.moveaxis(rows, 0, 1).reshape(num_minibatches, -1)
