"""The rollout buffer."""

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.algorithms.common.rollout import init_rollout, record
from screwpush_jax.algorithms.common.types import Rollout


def step_of(value):
    """What one time step of three environments records, every number equal to `value`."""
    scalar, flag = jnp.full(3, value, jnp.float32), jnp.full(3, value, bool)
    return Rollout(
        obs={"policy": jnp.full((3, 4), value, jnp.float32)},
        action=jnp.full((3, 2), value, jnp.float32),
        records={"log_prob": scalar, "chosen": jnp.full((3, 5), value, jnp.int32)},
        reward=scalar,
        terminated=flag,
        truncated=flag,
    )


def test_an_empty_buffer_is_time_first_and_keeps_shapes_and_types():
    rollout = init_rollout(5, step_of(1))
    for buffer, leaf in zip(jax.tree.leaves(rollout), jax.tree.leaves(step_of(0)), strict=True):
        assert (buffer.shape, buffer.dtype) == ((5, *leaf.shape), leaf.dtype)
        assert not buffer.any()


def test_record_writes_its_own_time_and_nothing_else():
    before = jax.tree.map(lambda x: x[None].repeat(5, axis=0), step_of(0))
    after = record(before, jnp.int32(3), step_of(1))
    for leaf in jax.tree.leaves(after):
        written = np.asarray(leaf, np.float32).reshape(5, -1)
        np.testing.assert_array_equal(written.min(1), [0, 0, 0, 1, 0])
        np.testing.assert_array_equal(written.max(1), [0, 0, 0, 1, 0])


def test_record_puts_each_field_where_it_belongs():
    rollout = init_rollout(2, step_of(0))
    leaves, tree = jax.tree.flatten(step_of(0))
    numbered = [jnp.full_like(x, i) for i, x in enumerate(leaves)]
    after = record(rollout, jnp.int32(1), jax.tree.unflatten(tree, numbered))
    for found, expected in zip(jax.tree.leaves(after), numbered, strict=True):
        np.testing.assert_array_equal(found[1], expected)
