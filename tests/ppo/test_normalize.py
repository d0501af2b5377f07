"""Running moments against numpy over everything seen so far."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.ppo.normalize import denormalize, init_moments, merge_batch, normalize, std
from screwpush_jax.ppo.types import Moments

AXIS = "data"


def merge(moments, batch, num_shards):
    """Moments as each of `num_shards` devices sees them after it took its part of `batch`."""
    parts = jnp.stack(jnp.split(jnp.asarray(batch), num_shards, axis=1))
    mapped = jax.vmap(lambda m, b: merge_batch(m, b, AXIS), in_axes=(None, 0), axis_name=AXIS)
    return mapped(moments, parts)


def on(moments, shard):
    return jax.tree.map(lambda x: x[shard], moments)


def batches(shape):
    """Three rollouts `[T, N, *shape]` of different length, mean and spread."""
    rng = np.random.default_rng(1)
    steps = ((2, 5.0, 1.0), (7, -3.0, 4.0), (1, 100.0, 0.1))
    trend = np.arange(4.0).reshape(1, 4, *[1] * len(shape))  # devices see different means
    return [
        (mean + spread * rng.normal(size=(t, 4, *shape)) + trend).astype(np.float32)
        for t, mean, spread in steps
    ]


@pytest.mark.parametrize("num_shards", [1, 2])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_merged_batches_have_the_moments_of_all_samples_together(shape, num_shards):
    moments, seen = init_moments(shape), []
    for batch in batches(shape):
        moments = on(merge(moments, batch, num_shards), 0)
        seen.append(batch.reshape(-1, *shape).astype(np.float64))
        everything = np.concatenate(seen)
        np.testing.assert_allclose(moments.mean, everything.mean(0), rtol=1e-5)
        np.testing.assert_allclose(moments.var, everything.var(0), rtol=1e-4)
        assert moments.count == len(everything)


def test_every_device_ends_with_the_same_moments():
    moments = merge(init_moments((3,)), batches((3,))[0], 2)
    first, second = on(moments, 0), on(moments, 1)
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_fresh_moments_change_nothing_and_weigh_nothing():
    fresh = init_moments((2,))
    x = jnp.array([[0.3, -4.0]])
    np.testing.assert_allclose(normalize(fresh, x), x, rtol=1e-5)
    assert fresh.count == 0


def given_moments():
    return Moments(jnp.array([1.0, -2.0]), jnp.array([4.0, 0.25]), jnp.float32(10))


def test_normalize_counts_standard_deviations_from_the_mean():
    x = jnp.array([[3.0, -2.5], [1.0, -1.0]])
    np.testing.assert_allclose(normalize(given_moments(), x), [[1.0, -1.0], [0.0, 2.0]], rtol=1e-5)


def test_denormalize_undoes_normalize():
    x = jnp.array([[3.0, -2.5], [-6.0, 1.0]])
    moments = given_moments()
    np.testing.assert_allclose(denormalize(moments, normalize(moments, x)), x, rtol=1e-5)


def test_normalize_stays_within_ten_and_denormalize_has_no_bound():
    far = jnp.array([[1e6, -1e6]])
    np.testing.assert_array_equal(normalize(given_moments(), far), [[10.0, -10.0]])
    expected = [[1.0 + 20.0 * 2.0, -2.0 - 30.0 * 0.5]]
    beyond = jnp.array([[20.0, -30.0]])
    np.testing.assert_allclose(denormalize(given_moments(), beyond), expected, rtol=1e-5)


def test_a_constant_observation_divides_by_something_above_zero():
    constant = Moments(jnp.array([7.0]), jnp.array([0.0]), jnp.float32(5))
    assert std(constant)[0] > 0
    assert normalize(constant, jnp.array([[7.0]]))[0, 0] == 0.0
