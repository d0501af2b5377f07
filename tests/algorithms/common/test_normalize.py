"""Running moments against numpy over everything seen so far."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.common import normalize as normalize_module
from screwpush_jax.algorithms.common.normalize import (
    denormalize,
    init_moments,
    merge_batch,
    normalize,
    std,
    within_reach,
)
from screwpush_jax.algorithms.common.types import AXIS, Moments


@functools.partial(jax.jit, static_argnames="num_shards")
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_constant_observation_divides_by_something_above_zero():
    constant = Moments(jnp.array([7.0]), jnp.array([0.0]), jnp.float32(5))
    assert std(constant)[0] > 0
    assert normalize(constant, jnp.array([[7.0]]))[0, 0] == 0.0


# --- wild samples -------------------------------------------------------------------------------


def sound_batches(count=4, rows=(50, 200), heavy=True):
    """Rollouts of four features: plain, tiny, far from zero, and still but for rare moves."""
    rng = np.random.default_rng(2)
    for _ in range(count):
        batch = rng.normal(size=(*rows, 4)) * [1.0, 0.01, 2.0, 1.0] + [0.0, 0.3, 5e3, 0.0]
        batch[..., 3] = rng.uniform(-9, 9, rows) * (rng.random(rows) < 0.002)
        if heavy:
            batch[..., 0] = rng.standard_t(3, size=rows)
        yield batch.astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("num_shards", [1, 2])
def test_sound_samples_are_merged_bit_for_bit_as_without_any_bound(monkeypatch, num_shards):
    def merged():
        moments = init_moments((4,))
        for batch in sound_batches():
            moments = on(merge.__wrapped__(moments, batch, num_shards), 0)
        return moments

    bounded = merged()
    monkeypatch.setattr(normalize_module, "within_reach", lambda moments, x: x)
    jax.tree.map(np.testing.assert_array_equal, bounded, merged())


WILD = [1e4, -1e15, 1e30, 3e38, np.inf, -np.inf, np.nan]


@pytest.mark.slow
@pytest.mark.parametrize("wild", WILD)
@pytest.mark.parametrize("when", ["first", "later", "always"])
@pytest.mark.parametrize("num_shards", [1, 2])
def test_one_wild_sample_in_a_hundred_thousand_spoils_nothing(num_shards, when, wild):
    """In one feature after the other; against the moments of the sound samples alone."""
    sound = list(sound_batches(4, (100, 1000), heavy=False))
    seen = np.concatenate(sound).reshape(-1, 4).astype(np.float64)
    for spoilt in range(4):
        moments = init_moments((4,))
        for number, batch in enumerate(sound):
            if when in ("always", {0: "first", 2: "later"}.get(number)):
                batch = batch.copy()
                batch[60, 700, spoilt] = wild
            moments = on(merge(moments, batch, num_shards), 0)
        rest = np.arange(4) != spoilt
        np.testing.assert_allclose(moments.mean[rest], seen.mean(0)[rest], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(moments.var[rest], seen.var(0)[rest], rtol=2e-3)
        deviation = seen.std(0)[spoilt]
        assert abs(moments.mean[spoilt] - seen.mean(0)[spoilt]) < 0.2 * deviation
        # a reach of 10 is much for the tiny one
        assert 0.95 < np.sqrt(moments.var[spoilt]) / deviation < (4.0 if deviation < 0.1 else 1.5)
        assert moments.count == len(seen)


@pytest.mark.parametrize("wild", WILD)
@pytest.mark.parametrize("rows", [(2, 2), (1, 8), (4, 6)])
def test_a_small_first_batch_is_not_blinded_either(rows, wild):
    """One sample of a handful is much, so it counts more: but the feature is still seen."""
    batch = np.random.default_rng(3).normal(size=(*rows, 2)).astype(np.float32)
    batch[0, 0, 1] = wild
    moments = on(merge(init_moments((2,)), batch, 1), 0)
    np.testing.assert_allclose(moments.mean[0], batch[..., 0].mean(), atol=1e-5)
    assert np.sqrt(moments.var[1]) < 200


def test_many_wild_batches_do_not_widen_the_reach_for_each_other():
    """A thousandth of the samples is wild in each of 60 batches, and the reach is not run away."""
    rng, moments = np.random.default_rng(4), init_moments(())
    for _ in range(60):
        batch = rng.normal(size=(1, 100_000)).astype(np.float32)
        batch[0, rng.integers(100_000, size=5)] = 1e20
        moments = on(merge(moments, batch, 1), 0)
    assert std(moments) < 2.0


def test_a_feature_that_wakes_up_is_seen_soon():
    """Still for 20 batches, then of deviation 5: three batches later nearly all of that is told."""
    rng, moments = np.random.default_rng(5), init_moments(())
    seen = [np.zeros((4, 50), np.float32)] * 20
    seen += [5.0 * rng.normal(size=(4, 50)).astype(np.float32) for _ in range(3)]
    for batch in seen:
        moments = on(merge(moments, batch, 1), 0)
    assert 0.7 < std(moments) / np.std(seen) <= 1.0


def test_a_batch_or_a_feature_without_any_number_changes_nothing():
    before = on(merge(init_moments((2,)), batches((2,))[0], 1), 0)
    nothing = np.full((3, 4, 2), np.nan, np.float32)
    jax.tree.map(np.testing.assert_array_equal, on(merge(before, nothing, 2), 0), before)
    half = nothing.copy()
    half[..., 0] = 1.0
    after = on(merge(before, half, 2), 0)
    assert (after.mean[1], after.var[1]) == (before.mean[1], before.var[1])
    assert after.mean[0] != before.mean[0]
    assert after.count == before.count + 12


def test_the_reach_is_a_hundred_deviations_and_at_least_ten():
    moments = Moments(jnp.array([1.0, 7.0]), jnp.array([4.0, 0.0]), jnp.float32(10))
    far = jnp.array([[1e9, 1e9], [-jnp.inf, -1e9], [150.0, 16.9], [jnp.nan, jnp.nan]])
    expected = [[201.0, 17.0], [-199.0, -3.0], [150.0, 16.9], [np.nan, np.nan]]
    np.testing.assert_allclose(within_reach(moments, far), expected, rtol=1e-5)
