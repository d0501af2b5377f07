"""The clipped value loss, and its sum with the clipped surrogate and the entropy bonus."""

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.algorithms.common.clipping import clipped_surrogate, is_clipped, kl_estimate
from screwpush_jax.algorithms.common.networks import ActorCritic, action_distribution
from screwpush_jax.algorithms.common.networks import value as predict
from screwpush_jax.algorithms.common.types import Obs, Params
from screwpush_jax.algorithms.ppo.config import PPOConfig


@struct.dataclass
class Minibatch:
    """M samples with their targets. Legend: A action, O observation."""

    obs: Obs  # [M, O] normalised
    action: jax.Array  # [M, A]
    log_prob: jax.Array  # [M]
    value: jax.Array  # [M] normalised
    advantages: jax.Array  # [M] normalised
    returns: jax.Array  # [M] normalised


def value_loss(
    value: jax.Array, old_value: jax.Array, returns: jax.Array, value_clip: float
) -> jax.Array:
    """Half the mean over `[M]` of the larger of the plain and the clipped squared error."""
    clipped = old_value + jnp.clip(value - old_value, -value_clip, value_clip)
    return 0.5 * jnp.mean(jnp.maximum((value - returns) ** 2, (clipped - returns) ** 2))


def ppo_loss(
    params: Params, network: ActorCritic, batch: Minibatch, config: PPOConfig
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss to descend and what the logs say about it."""
    distribution = action_distribution(network, params, batch.obs)
    value = predict(network, params, batch.obs)
    log_prob = distribution.log_prob(batch.action)
    entropy = jnp.mean(distribution.entropy())
    policy = -jnp.mean(
        clipped_surrogate(log_prob, batch.log_prob, batch.advantages, config.clip_eps)
    )
    critic = value_loss(value, batch.value, batch.returns, config.value_clip)
    metrics = {
        "actor/loss": policy,
        "actor/value_loss": critic,
        "actor/entropy": entropy,
        "actor/approx_kl": jnp.mean(kl_estimate(log_prob, batch.log_prob)),
        "actor/pg_clipfrac": _share(is_clipped(log_prob, batch.log_prob, config.clip_eps)),
        "actor/value_clip_ratio": _share(jnp.abs(value - batch.value) > config.value_clip),
        "actor/std": jnp.mean(jnp.exp(distribution.log_std)),
    }
    return policy + config.vf_coef * critic - config.ent_coef * entropy, metrics


def _share(true: jax.Array) -> jax.Array:
    """Part of `true [M]`."""
    return jnp.mean(true, dtype=jnp.float32)
