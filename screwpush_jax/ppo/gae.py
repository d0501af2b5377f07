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
    carry_on = gamma * gae_lambda * jnp.where(terminated | truncated, 0.0, 1.0)

    def back(later: jax.Array, step: tuple[jax.Array, jax.Array]):
        delta_t, carry_on_t = step
        advantage = delta_t + carry_on_t * later
        return advantage, advantage

    _, advantages = jax.lax.scan(back, jnp.zeros_like(delta[0]), (delta, carry_on), reverse=True)
    return advantages, advantages + value
