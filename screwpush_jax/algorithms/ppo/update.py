"""One PPO update: targets, then epochs of minibatches. Pure; every mean is over all devices."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from screwpush_jax.algorithms.common.gae import gae
from screwpush_jax.algorithms.common.minibatches import close_update, epochs, variance
from screwpush_jax.algorithms.common.networks import make_network, rescale_value_head
from screwpush_jax.algorithms.common.normalize import (
    init_moments,
    merge_batch,
    normalize_each,
    standardize,
    std,
    within_reach,
)
from screwpush_jax.algorithms.common.optimizer import (
    learning_rate,
    make_optimizer,
)
from screwpush_jax.algorithms.common.sets import NONE as NO_SETS
from screwpush_jax.algorithms.common.sets import Sets, split
from screwpush_jax.algorithms.common.types import AXIS, Learner, Metrics, Params, Policy, Rollout
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.algorithms.ppo.losses import Minibatch, ppo_loss


def init_learner(
    config: PPOConfig,
    obs_sizes: Mapping[str, int],
    action_size: int,
    key: jax.Array,
    obs_sets: Sets = NO_SETS,
) -> Learner[Policy]:
    """A fresh learner."""
    init_key, key = jax.random.split(key)
    obs = split(obs_sets, {name: jnp.zeros((1, size)) for name, size in obs_sizes.items()})
    params = make_network(config, action_size).init(init_key, obs)
    obs_moments = {name: init_moments(x.shape[-1:]) for name, x in obs.items()}
    return Learner(
        policy=Policy(params, obs_moments, init_moments(())),
        opt_state=make_optimizer(config).init(params),
        learning_rate=jnp.float32(config.learning_rate),
        key=key,
        iteration=jnp.int32(0),
    )


def update(
    config: PPOConfig, num_iterations: int, learner: Learner[Policy], rollout: Rollout
) -> tuple[Learner[Policy], Metrics]:
    """Learns from one rollout `[T, N, ...]`; runs inside a mapped axis named `AXIS`.

    The observation moments that acted also train; the rollout's are merged at the end.
    """
    advantages, returns = gae(
        rollout.reward,
        rollout.records["value"],
        rollout.records["next_value"],
        rollout.terminated,
        rollout.truncated,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
    )
    policy = _renormalize_value(learner.policy, returns)
    samples = _samples(policy, rollout, *_bound_targets(policy, rollout, advantages, returns))
    rate = learning_rate(config, learner.learning_rate, learner.iteration, num_iterations)
    learner = dataclasses.replace(learner, policy=policy, learning_rate=rate)
    network = make_network(config, rollout.action.shape[-1])

    def loss(params: Params, batch: Minibatch) -> tuple[jax.Array, Metrics]:
        return ppo_loss(params, network, batch, config)

    learner, metrics = epochs(config, loss, learner, samples, rollout.reward.shape[0])
    learner = close_update(config, learner, rollout.obs, metrics)
    residual, spread = variance(returns - rollout.records["value"]), variance(returns)
    return learner, metrics | {
        "actor/explained_variance": 1.0 - residual / (spread + 1e-8),
        "actor/lr": rate,
        "rollout/returns_mean": jax.lax.pmean(jnp.mean(returns), AXIS),
        "rollout/advantages_mean": jax.lax.pmean(jnp.mean(advantages), AXIS),
    }


def _renormalize_value(policy: Policy, returns: jax.Array) -> Policy:
    """Takes the returns into the value moments and changes no prediction by it."""
    old, new = policy.value_moments, merge_batch(policy.value_moments, returns, AXIS)
    scale = std(old) / std(new)
    params = rescale_value_head(policy.params, scale, (old.mean - new.mean) / std(new))
    return dataclasses.replace(policy, params=params, value_moments=new)


def _bound_targets(
    policy: Policy, rollout: Rollout, advantages: jax.Array, returns: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Advantages and returns `[T, N]` of returns within the reach of the value moments.

    So one huge reward does not drown the advantages of all other samples. A return that is not a
    number asks for no change. Whatever lies within reach is left bit for bit.
    """
    value = rollout.records["value"]
    bounded = within_reach(policy.value_moments, returns)
    bounded = jnp.where(jnp.isnan(bounded), value, bounded)
    return jnp.where(bounded == returns, advantages, bounded - value), bounded


def _samples(
    policy: Policy, rollout: Rollout, advantages: jax.Array, returns: jax.Array
) -> Minibatch:
    """The whole rollout as samples, leaves `[T * N, ...]`."""
    mean, var = jax.lax.pmean(jnp.mean(advantages), AXIS), variance(advantages)
    samples = Minibatch(
        obs=normalize_each(policy.obs_moments, rollout.obs),
        action=rollout.action,
        log_prob=rollout.records["log_prob"],
        value=standardize(policy.value_moments, rollout.records["value"]),
        advantages=(advantages - mean) / jnp.sqrt(var + 1e-8),
        returns=standardize(policy.value_moments, returns),
    )
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), samples)
