"""The clipped surrogate with a penalty for leaving the reference policy, and the entropy bonus."""

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.algorithms.common.clipping import clipped_surrogate, is_clipped, kl_estimate
from screwpush_jax.algorithms.common.networks import ActorCritic, action_distribution
from screwpush_jax.algorithms.common.types import Metrics, Obs, Params
from screwpush_jax.algorithms.grpo.config import GRPOConfig


@struct.dataclass
class Minibatch:
    """M samples. Legend: A action, O observation."""

    obs: Obs  # [M, O] normalised
    action: jax.Array  # [M, A]
    log_prob: jax.Array  # [M]
    reference_log_prob: jax.Array  # [M]
    advantages: jax.Array  # [M]
    weight: jax.Array  # [M], 0 for what does not count; on the whole rollout the mean is 1


def grpo_loss(
    params: Params, network: ActorCritic, batch: Minibatch, config: GRPOConfig
) -> tuple[jax.Array, Metrics]:
    """The loss to descend and what the logs say about it (Shao et al. 2024, eq. 3 and 4).

    Means are over the steps that count, each as much as any other, however long its episode was.
    """

    def mean(x: jax.Array) -> jax.Array:
        return jnp.mean(batch.weight * x)

    distribution = action_distribution(network, params, batch.obs)
    log_prob = distribution.log_prob(batch.action)
    policy = -mean(clipped_surrogate(log_prob, batch.log_prob, batch.advantages, config.clip_eps))
    entropy = mean(distribution.entropy())
    clipped = jnp.where(is_clipped(log_prob, batch.log_prob, config.clip_eps), 1.0, 0.0)
    metrics = {
        "actor/loss": policy,
        "actor/entropy": entropy,
        "actor/approx_kl": mean(kl_estimate(log_prob, batch.log_prob)),
        "actor/pg_clipfrac": mean(clipped),
        "actor/std": mean(jnp.mean(jnp.exp(distribution.log_std), axis=-1)),
    }
    loss = policy - config.ent_coef * entropy
    if config.kl_coef > 0:
        kl = mean(kl_estimate(batch.reference_log_prob, log_prob))
        metrics["actor/reference_kl"] = kl
        loss = loss + config.kl_coef * kl
    return loss, metrics
