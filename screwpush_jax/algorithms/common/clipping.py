"""Probability ratios of two policies at one action each: clipped, and as a divergence."""

import jax
import jax.numpy as jnp


def clipped_surrogate(
    log_prob: jax.Array, old_log_prob: jax.Array, advantages: jax.Array, clip_eps: float
) -> jax.Array:
    """The clipped surrogate `[M]` of each sample, to be raised (Schulman et al. 2017, eq. 7)."""
    ratio = jnp.exp(log_prob - old_log_prob)
    clipped = jnp.clip(ratio, 1.0 - clip_eps, 1.0 + clip_eps)
    return jnp.minimum(ratio * advantages, clipped * advantages)


def is_clipped(log_prob: jax.Array, old_log_prob: jax.Array, clip_eps: float) -> jax.Array:
    """Whether the ratio of each sample lies beyond the clipping's bounds, `[M]` bool."""
    return jnp.abs(jnp.exp(log_prob - old_log_prob) - 1.0) > clip_eps


def kl_estimate(log_prob: jax.Array, of_log_prob: jax.Array) -> jax.Array:
    """KL(q, p) estimated at each sample of q, `[M]`, never negative: (p / q - 1) - log(p / q).

    `log_prob` is that of p, `of_log_prob` that of q (Schulman 2020, estimator k3).
    """
    log_ratio = log_prob - of_log_prob
    return jnp.expm1(log_ratio) - log_ratio
