"""Adam with a clipped gradient and a learning rate that lives outside its state."""

from typing import Literal, Protocol

import jax
import jax.numpy as jnp
import optax

_MAX_INT32 = 2**31 - 1


class OptimizerConfig(Protocol):
    """What an algorithm's configuration says about its steps."""

    @property
    def max_grad_norm(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def schedule(self) -> Literal["adaptive", "linear", "constant"]: ...
    @property
    def target_kl(self) -> float: ...
    @property
    def learning_rate_range(self) -> tuple[float, float]: ...


def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """Gives the direction; the caller multiplies by the learning rate."""
    return optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm), optax.scale_by_adam(eps=1e-5)
    )


def learning_rate(
    config: OptimizerConfig, adapted: jax.Array, iteration: jax.Array, num_iterations: int
) -> jax.Array:
    """Learning rate `[]` of update number `iteration` (int32, from 0) of `num_iterations`.

    adaptive: `adapted`, what `adapt_learning_rate` gave after the update before. The others follow
    from the configuration and the number alone, so that a run that goes on with another rate or
    another length takes it up at once.
    """
    if config.schedule == "adaptive":
        return adapted
    if config.schedule == "constant":
        return jnp.full_like(adapted, config.learning_rate)
    total = min(num_iterations, 2**62)  # a float32 holds it, and no run is longer
    beyond = max(total - _MAX_INT32, 0)  # what does not fit beside `iteration`
    left = jnp.float32(beyond) + jnp.maximum(total - beyond - iteration, 0).astype(jnp.float32)
    return config.learning_rate * left / float(total)


def adapt_learning_rate(config: OptimizerConfig, rate: jax.Array, kl: jax.Array) -> jax.Array:
    """`rate []` after an update with it that changed the policy by a mean KL divergence of `kl []`.

    adaptive: an update whose mean KL went beyond twice the target was too long, one below half of
    it too short (the rule of Schulman et al. 2017, section 4, for the rate instead of a penalty);
    a KL that is not finite counts as too long. Other schedules adapt nothing.
    """
    if config.schedule != "adaptive":
        return rate
    too_long = ~(kl <= 2.0 * config.target_kl)
    too_short = kl < 0.5 * config.target_kl
    rate = jnp.where(too_long, rate / 1.5, jnp.where(too_short, rate * 1.5, rate))
    return jnp.clip(rate, *config.learning_rate_range)
