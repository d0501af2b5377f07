"""Running moments of observations and returns."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.algorithms.common.types import Moments, Obs

_CLIP = 10.0
_EPS = 1e-6
_REACH = 100.0
"""Standard deviations within which a sample counts in the moments."""
_STILL = 0.1
"""A feature that hardly moved yet has the reach of this standard deviation."""
_SOME_ROWS = 128
"""Samples that tell the bulk of a first batch."""


def init_moments(shape: tuple[int, ...]) -> Moments:
    """Mean 0 and variance 1, to be forgotten at the first batch."""
    return Moments(mean=jnp.zeros(shape), var=jnp.ones(shape), count=jnp.zeros(()))


def merge_batch(moments: Moments, batch: jax.Array, axis_name: str) -> Moments:
    """Moments of everything so far and of `batch [..., *shape]` over all devices of `axis_name`.

    Parallel variance (Chan, Golub, LeVeque 1979, eq. 2.1). What one sample can do is bounded, for
    moments never forget: each number counts within the reach of what was seen before it (of the
    batch's own bulk, in the first batch), and one that is not a number does not count. A feature
    without any number keeps its moments.
    """
    axes = tuple(range(batch.ndim - moments.mean.ndim))
    batch = within_reach(_seen_before(moments, batch, axis_name), batch)
    known = ~jnp.isnan(batch)
    counted = jax.lax.psum(jnp.sum(known, axis=axes, dtype=jnp.float32), axis_name)

    def mean_of(x: jax.Array) -> jax.Array:
        total = jax.lax.psum(jnp.sum(jnp.where(known, x, 0.0), axis=axes), axis_name)
        return total / jnp.maximum(counted, 1.0)

    mean = mean_of(batch)
    var = mean_of((batch - _like(mean, batch)) ** 2)
    size = jax.lax.psum(jnp.float32(batch.size // max(moments.mean.size, 1)), axis_name)
    total = moments.count + jnp.where(jnp.any(counted > 0), size, 0.0)
    share = size / jnp.maximum(total, 1.0)
    delta = mean - moments.mean
    new_mean = moments.mean + share * delta
    new_var = (1 - share) * moments.var + share * var + share * (1 - share) * delta**2
    # numbers whose square is no float32 would stay in the moments for ever, too
    sound = (counted > 0) & jnp.isfinite(new_mean) & jnp.isfinite(new_var)
    return Moments(
        mean=jnp.where(sound, new_mean, moments.mean),
        var=jnp.where(sound, new_var, moments.var),
        count=total,
    )


def within_reach(moments: Moments, x: jax.Array) -> jax.Array:
    """`x [..., *shape]` within 100 standard deviations of the mean, or within 10 if that is farther.

    Wide enough that a sound simulation is hardly ever cut, also where a feature was still in all
    batches before (bodies that nobody pushed). Narrow enough that a spoiled one among 10^5 adds a
    tenth to a variance of 1; and as the square of the reach times its share is less than 1, such
    samples cannot widen their own reach batch by batch. What is not a number stays so.
    """
    reach = _REACH * jnp.maximum(std(moments), _STILL)
    return jnp.clip(x, _like(moments.mean - reach, x), _like(moments.mean + reach, x))


def _seen_before(moments: Moments, batch: jax.Array, axis_name: str) -> Moments:
    """`moments`, or for the first batch a robust middle and spread of some samples of all devices.

    The median, and the distance from it to the farther of two quantiles: a part of the samples on
    either side, at least one, is left out. It is worked out for every batch, because a branch on
    a device's number would make the host wait; a hundred samples cost next to nothing.
    """
    if batch.ndim == moments.mean.ndim + 1:
        batch = batch[None]  # samples of one step
    rows = _some_rows(batch, axis_name).reshape(-1, *moments.mean.shape)
    rows = jnp.sort(jnp.where(jnp.isfinite(rows), rows, jnp.nan), axis=0)  # NaN comes last
    count = jnp.sum(~jnp.isnan(rows), axis=0, keepdims=True)
    left_out = jnp.minimum(jnp.maximum(count // 32, 1), jnp.maximum(count - 2, 0) // 2)
    at = (left_out, count // 2, count - 1 - left_out)
    low, middle, high = (jnp.take_along_axis(rows, jnp.maximum(i, 0), axis=0)[0] for i in at)
    spread = jnp.maximum(high - middle, middle - low)
    first = moments.count == 0
    return Moments(
        mean=jnp.where(first, middle, moments.mean),
        var=jnp.where(first, spread**2, moments.var),
        count=moments.count,
    )


def _some_rows(batch: jax.Array, axis_name: str) -> jax.Array:
    """Samples `[rows, ...]` of the batches `[T, N, ...]` of all devices, on each of them the same.

    They are chosen in the batch that one device alone would have, with the others' environments
    behind the first one's, so that the number of devices changes nothing.
    """
    (num_steps, num_envs), devices = batch.shape[:2], jax.lax.axis_size(axis_name)
    size = num_steps * num_envs * devices
    at = np.arange(size)
    if size > _SOME_ROWS:
        at = np.random.default_rng(0).integers(size, size=_SOME_ROWS)
    step, env = np.divmod(at, num_envs * devices)
    own = env // num_envs == jax.lax.axis_index(axis_name)
    rows = batch[step, env % num_envs]
    return jax.lax.psum(jnp.where(own.reshape(-1, *[1] * (rows.ndim - 1)), rows, 0.0), axis_name)


def std(moments: Moments) -> jax.Array:
    """Standard deviation, never zero."""
    return jnp.sqrt(moments.var + _EPS)


def normalize(moments: Moments, x: jax.Array) -> jax.Array:
    """`x [..., *shape]` in standard deviations from the mean, within 10."""
    return jnp.clip(standardize(moments, x), -_CLIP, _CLIP)


def describe_normalizer(moments: Moments) -> dict[str, Any]:
    """The numbers of `normalize`, as JSON."""
    mean, deviation = (np.asarray(x).tolist() for x in (moments.mean, std(moments)))
    return {"mean": mean, "std": deviation, "clip": _CLIP}


def normalize_each(moments: dict[str, Moments], obs: Obs) -> Obs:
    """`normalize` of each observation by the moments of its name."""
    return {name: normalize(moments[name], x) for name, x in obs.items()}


def standardize(moments: Moments, x: jax.Array) -> jax.Array:
    """`normalize` without its bounds, for what must not be cut."""
    return (x - _like(moments.mean, x)) / _like(std(moments), x)


def denormalize(moments: Moments, x: jax.Array) -> jax.Array:
    """The inverse of `standardize`."""
    return x * _like(std(moments), x) + _like(moments.mean, x)


def _like(moment: jax.Array, x: jax.Array) -> jax.Array:
    """`moment [*shape]` for each of `x [..., *shape]`."""
    return jnp.broadcast_to(moment, x.shape)
