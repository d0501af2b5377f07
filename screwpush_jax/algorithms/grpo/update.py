"""One GRPO update: advantages in groups, then epochs of minibatches. Pure; every mean is over all
devices. A group lies on one of them."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.algorithms.common.minibatches import close_update, epochs
from screwpush_jax.algorithms.common.networks import (
    ActorCritic,
    action_distribution,
    make_network,
)
from screwpush_jax.algorithms.common.normalize import init_moments, normalize_each
from screwpush_jax.algorithms.common.optimizer import (
    learning_rate,
    make_optimizer,
)
from screwpush_jax.algorithms.common.sets import NONE as NO_SETS
from screwpush_jax.algorithms.common.sets import Sets, split
from screwpush_jax.algorithms.common.types import AXIS, Actor, Metrics, Obs, Params, Rollout
from screwpush_jax.algorithms.common.types import Learner as CommonLearner
from screwpush_jax.algorithms.grpo.config import GRPOConfig
from screwpush_jax.algorithms.grpo.groups import Outcomes, find_outcomes
from screwpush_jax.algorithms.grpo.losses import Minibatch, grpo_loss


@struct.dataclass
class Learner(CommonLearner[Actor]):
    """Everything that `update` changes."""

    reference: Actor | None  # the policy that the run began with, where it is asked for


def init_learner(
    config: GRPOConfig,
    obs_sizes: Mapping[str, int],
    action_size: int,
    key: jax.Array,
    obs_sets: Sets = NO_SETS,
) -> Learner:
    """A fresh learner, whose network is an actor alone."""
    init_key, key = jax.random.split(key)
    obs = split(obs_sets, {name: jnp.zeros((1, size)) for name, size in obs_sizes.items()})
    params = make_network(config, action_size).init(init_key, obs, method=ActorCritic.act)
    actor = Actor(params, {name: init_moments(x.shape[-1:]) for name, x in obs.items()})
    return Learner(
        policy=actor,
        opt_state=make_optimizer(config).init(params),
        learning_rate=jnp.float32(config.learning_rate),
        key=key,
        iteration=jnp.int32(0),
        reference=jax.tree.map(jnp.copy, actor) if config.reference == "first" else None,
    )


def update(
    config: GRPOConfig, num_iterations: int, learner: Learner, rollout: Rollout
) -> tuple[Learner, Metrics]:
    """Learns from one rollout `[T, N, ...]`; runs inside a mapped axis named `AXIS`.

    The observation moments that acted also train; the rollout's are merged at the end.
    """
    live, return_ = rollout.records["live"], rollout.records["return"]
    ended = live & (rollout.terminated | rollout.truncated)
    outcomes = find_outcomes(return_, live, ended, config.group_size)
    learner = _with_reference(learner)
    network = make_network(config, rollout.action.shape[-1])
    samples = _samples(network, learner, rollout, outcomes)
    rate = learning_rate(config, learner.learning_rate, learner.iteration, num_iterations)

    def loss(params: Params, batch: Minibatch) -> tuple[jax.Array, Metrics]:
        return grpo_loss(params, network, batch, config)

    learner = dataclasses.replace(learner, learning_rate=rate)
    learner, metrics = epochs(config, loss, learner, samples, rollout.reward.shape[0])
    obs = {name: _only(live, x) for name, x in rollout.obs.items()}
    learner = close_update(config, learner, obs, metrics)
    return learner, metrics | {"actor/lr": rate} | _rollout_metrics(rollout, outcomes)


def _with_reference(learner: Learner) -> Learner:
    """Before the first update the reference is whatever policy the run has begun with."""
    if learner.reference is None:
        return learner
    reference = jax.tree.map(
        lambda new, old: jnp.where(learner.iteration == 0, new, old),
        learner.policy,
        learner.reference,
    )
    return dataclasses.replace(learner, reference=reference)


def _samples(
    network: ActorCritic, learner: Learner, rollout: Rollout, outcomes: Outcomes
) -> Minibatch:
    """The whole rollout as samples, leaves `[T * N, ...]`."""
    log_prob = rollout.records["log_prob"]
    reference = learner.reference
    counts = outcomes.counts.astype(jnp.float32)
    share = jax.lax.pmean(jnp.mean(counts), AXIS)
    samples = Minibatch(
        obs=normalize_each(learner.policy.obs_moments, rollout.obs),
        action=rollout.action,
        log_prob=log_prob,
        reference_log_prob=_log_prob(network, reference, rollout) if reference else log_prob,
        advantages=outcomes.advantages,
        weight=counts / jnp.maximum(share, 1e-6),
    )
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), samples)


def _log_prob(network: ActorCritic, actor: Actor, rollout: Rollout) -> jax.Array:
    """Log density `[T, N]` of the rollout's actions under another policy, one step after the other."""

    def of_step(step: tuple[Obs, jax.Array]) -> jax.Array:
        obs, action = step
        obs = normalize_each(actor.obs_moments, obs)
        return action_distribution(network, actor.params, obs).log_prob(action)

    return jax.lax.map(of_step, (rollout.obs, rollout.action))


def _only(live: jax.Array, x: jax.Array) -> jax.Array:
    """`x [T, N, ...]` where an episode was under way; what is over and waits counts in no moment."""
    return jnp.where(live.reshape(*live.shape, *[1] * (x.ndim - 2)), x, jnp.nan)


def _rollout_metrics(rollout: Rollout, outcomes: Outcomes) -> Metrics:
    def total(x: jax.Array) -> jax.Array:
        return jax.lax.psum(jnp.sum(x, dtype=jnp.float32), AXIS)

    ends, live = outcomes.compared, rollout.records["live"]
    episodes = jnp.maximum(total(ends), 1.0)
    returns = jnp.where(ends, rollout.records["return"], 0.0)
    size = jax.lax.psum(jnp.float32(live.size), AXIS)
    return {
        "rollout/returns_mean": total(returns) / episodes,
        "rollout/returns_std_in_group": total(outcomes.deviations) / episodes,
        "rollout/equal_groups": total(ends & (outcomes.deviations == 0.0)) / episodes,
        "rollout/live_steps": total(live) / size,
        "rollout/counted_steps": total(outcomes.counts) / size,
    }
