"""Epochs of minibatches, one gradient step each. Pure; every mean is over all devices."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import jax
import jax.numpy as jnp
import optax

from screwpush_jax.algorithms.common.networks import bound_std
from screwpush_jax.algorithms.common.normalize import merge_batch
from screwpush_jax.algorithms.common.optimizer import (
    OptimizerConfig,
    adapt_learning_rate,
    make_optimizer,
)
from screwpush_jax.algorithms.common.shuffle import sharded_rows
from screwpush_jax.algorithms.common.types import AXIS, Learner, Metrics, Obs, Params

L = TypeVar("L", bound=Learner[Any])
Loss = Callable[[Params, Any], tuple[jax.Array, Metrics]]
"""`(params, batch) -> (loss [], metrics)`; the leaves of `batch` are `[M, ...]`."""


class EpochsConfig(OptimizerConfig, Protocol):
    """What an algorithm's configuration says about its passes over a rollout."""

    @property
    def num_epochs(self) -> int: ...
    @property
    def num_minibatches(self) -> int: ...
    @property
    def num_shards(self) -> int: ...
    @property
    def std_range(self) -> tuple[float, float]: ...


def variance(x: jax.Array) -> jax.Array:
    """Variance `[]` over all devices."""
    mean = jax.lax.pmean(jnp.mean(x), AXIS)
    return jax.lax.pmean(jnp.mean((x - mean) ** 2), AXIS)


def epochs(
    config: EpochsConfig, loss: Loss, learner: L, samples: Any, num_steps: int
) -> tuple[L, Metrics]:
    """Shuffled passes over the samples `[T * N, ...]`, T being `num_steps`; metrics are means over all
    minibatches."""
    num_envs = jax.tree.leaves(samples)[0].shape[0] // num_steps

    def epoch(learner: L, _: None) -> tuple[L, Metrics]:
        key, shuffle_key = jax.random.split(learner.key)
        order = sharded_rows(
            *(shuffle_key, num_steps, num_envs),
            *(config.num_minibatches, config.num_shards),
        )

        def step(learner: L, rows: jax.Array) -> tuple[L, Metrics]:
            return _minibatch(config, loss, learner, jax.tree.map(lambda x: x[rows], samples))

        return jax.lax.scan(step, dataclasses.replace(learner, key=key), order)

    learner, metrics = jax.lax.scan(epoch, learner, None, length=config.num_epochs)
    return learner, jax.tree.map(jnp.mean, metrics)


def close_update(config: EpochsConfig, learner: L, obs: Obs, metrics: Metrics) -> L:
    """The learner at the end of its update: with the rollout's observations `[T, N, ...]` in its moments,
    the learning rate that the epochs' `metrics` ask for, and one iteration more."""
    policy = learner.policy
    obs_moments = {
        name: merge_batch(moments, obs[name], AXIS) for name, moments in policy.obs_moments.items()
    }
    rate = adapt_learning_rate(config, learner.learning_rate, metrics["actor/approx_kl"])
    return dataclasses.replace(
        learner,
        policy=dataclasses.replace(policy, obs_moments=obs_moments),
        learning_rate=rate,
        iteration=learner.iteration + 1,
    )


def _minibatch(config: EpochsConfig, loss: Loss, learner: L, batch: Any) -> tuple[L, Metrics]:
    """One gradient step; a gradient that is not finite changes nothing."""
    params = learner.policy.params
    grads, metrics = jax.grad(loss, has_aux=True)(params, batch)
    grads, metrics = jax.lax.pmean((grads, metrics), AXIS)
    grad_norm = optax.tree.norm(grads)
    direction, opt_state = make_optimizer(config).update(grads, learner.opt_state)
    stepped = jax.tree.map(lambda p, d: p - learner.learning_rate * d, params, direction)
    stepped = bound_std(stepped, config.std_range)
    finite = jnp.isfinite(grad_norm)
    params, opt_state = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old),
        (stepped, opt_state),
        (params, learner.opt_state),
    )
    policy = dataclasses.replace(learner.policy, params=params)
    learner = dataclasses.replace(learner, policy=policy, opt_state=opt_state)
    return learner, metrics | {"actor/grad_norm": grad_norm}
