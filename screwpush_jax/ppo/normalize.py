"""Running moments of observations and returns."""

import jax
import jax.numpy as jnp

from screwpush_jax.ppo.types import Moments

_CLIP = 10.0
_EPS = 1e-6


def init_moments(shape: tuple[int, ...]) -> Moments:
    """Mean 0 and variance 1, to be forgotten at the first batch."""
    return Moments(mean=jnp.zeros(shape), var=jnp.ones(shape), count=jnp.zeros(()))


def merge_batch(moments: Moments, batch: jax.Array, axis_name: str) -> Moments:
    """Moments of everything so far and of `batch [..., *shape]` over all devices of `axis_name`.

    A batch with a number that is not finite changes nothing. Parallel variance (Chan, Golub, LeVeque 1979, eq. 2.1).
    """
    axes = tuple(range(batch.ndim - moments.mean.ndim))
    mean = jax.lax.pmean(jnp.mean(batch, axis=axes), axis_name)
    var = jax.lax.pmean(jnp.mean((batch - _like(mean, batch)) ** 2, axis=axes), axis_name)
    size = batch.size // max(moments.mean.size, 1)
    added = jax.lax.psum(jnp.float32(size), axis_name)
    total = moments.count + added
    share = added / total
    delta = mean - moments.mean
    new_var = (1 - share) * moments.var + share * var + share * (1 - share) * delta**2
    merged = Moments(mean=moments.mean + share * delta, var=new_var, count=total)
    # one number that is not finite would stay in the moments for ever
    sound = jnp.all(jnp.isfinite(mean) & jnp.isfinite(var))
    return jax.tree.map(lambda new, old: jnp.where(sound, new, old), merged, moments)


def std(moments: Moments) -> jax.Array:
    """Standard deviation, never zero."""
    return jnp.sqrt(moments.var + _EPS)


def normalize(moments: Moments, x: jax.Array) -> jax.Array:
    """`x [..., *shape]` in standard deviations from the mean, within 10."""
    return jnp.clip(standardize(moments, x), -_CLIP, _CLIP)


def standardize(moments: Moments, x: jax.Array) -> jax.Array:
    """`normalize` without its bounds, for what must not be cut."""
    return (x - _like(moments.mean, x)) / _like(std(moments), x)


def denormalize(moments: Moments, x: jax.Array) -> jax.Array:
    """The inverse of `standardize`."""
    return x * _like(std(moments), x) + _like(moments.mean, x)


def _like(moment: jax.Array, x: jax.Array) -> jax.Array:
    """`moment [*shape]` for each of `x [..., *shape]`."""
    return jnp.broadcast_to(moment, x.shape)
