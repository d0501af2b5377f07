"""Generalised advantage estimation."""

import jax
import jax.numpy as jnp


def gae(
    reward: jax.Array,
    value: jax.Array,
    next_value: jax.Array,
    terminated: jax.Array,
    truncated: jax.Array,
    *,
    gamma: float,
    gae_lambda: float,
) -> tuple[jax.Array, jax.Array]:
    """Advantages and returns, `[T, N]` both, from `[T, N]` inputs (Schulman et al. 2016, eq. 16).

    `next_value[t]` is the value of the observation that step t truly led to, before any reset. A
    terminated step has no future: nothing is bootstrapped. A truncated step is bootstrapped from
    its final observation. Either ends the sum over later steps.
    """
    delta = reward + gamma * jnp.where(terminated, 0.0, next_value) - value
    ended = terminated | truncated

    def back(later: jax.Array, step: tuple[jax.Array, jax.Array]):
        delta_t, ended_t = step
        # chosen, not multiplied by 0: a later episode's inf or NaN stays in that episode
        advantage = delta_t + jnp.where(ended_t, 0.0, gamma * gae_lambda * later)
        return advantage, advantage

    _, advantages = jax.lax.scan(back, jnp.zeros_like(delta[0]), (delta, ended), reverse=True)
    return advantages, advantages + value
