"""Adam with a clipped gradient and a learning rate that lives outside its state."""

import jax
import jax.numpy as jnp
import optax

from screwpush_jax.ppo.types import PPOConfig


def make_optimizer(config: PPOConfig) -> optax.GradientTransformation:
    """Gives the direction; the caller multiplies by the learning rate."""
    return optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm), optax.scale_by_adam(eps=1e-5)
    )


def next_learning_rate(
    config: PPOConfig, rate: jax.Array, kl: jax.Array, iteration: jax.Array, num_iterations: int
) -> jax.Array:
    """Learning rate `[]` after update number `iteration` (from 0) of `num_iterations`.

    adaptive: an update whose mean KL went beyond twice the target was too long, one below half of
    it too short (the rule of Schulman et al. 2017, section 4, for the rate instead of a penalty);
    a KL that is not finite counts as too long.
    """
    if config.schedule == "linear":
        left = 1.0 - (iteration + 1).astype(jnp.float32) / num_iterations
        return config.learning_rate * jnp.maximum(left, 0.0)
    if config.schedule == "constant":
        return rate
    too_long = ~(kl <= 2.0 * config.target_kl)
    too_short = kl < 0.5 * config.target_kl
    rate = jnp.where(too_long, rate / 1.5, jnp.where(too_short, rate * 1.5, rate))
    return jnp.clip(rate, *config.learning_rate_range)
