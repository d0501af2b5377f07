"""The only `jax.jit` of the package.

Training runs two of them, `transition` and `update`, and each is traced once.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from screwpush_jax import episodes as episodes_module
from screwpush_jax import film as film_module
from screwpush_jax import transition as transition_module
from screwpush_jax.algorithms.algorithm import Algorithm, Learner
from screwpush_jax.algorithms.common import types
from screwpush_jax.algorithms.common.types import AXIS, Metrics, Rollout
from screwpush_jax.env import Env
from screwpush_jax.restart import ONCE
from screwpush_jax.transition import Tally
from screwpush_sim import bridge

T = TypeVar("T")


def compile_transition(env: Env, algorithm: Algorithm) -> Callable:
    """`transition(starts, policy, carry, views)`; the carry's memory is reused."""
    function = functools.partial(transition_module.transition, env, algorithm)
    return jax.jit(function, donate_argnames=("carry",))


def compile_update(algorithm: Algorithm, num_iterations: int) -> Callable:
    """`update(learner, rollout, tally)` on this process's device; the learner's memory is reused.

    Its metrics hold the episodes' too: the tally itself is the next transition's to overwrite.
    """
    function = functools.partial(algorithm.update, num_iterations)
    spread = PartitionSpec(None, AXIS)  # rollouts are split along N
    mapped = jax.shard_map(
        function,
        mesh=_mesh(),
        in_specs=(PartitionSpec(), spread),
        out_specs=(PartitionSpec(), PartitionSpec()),
        check_vma=False,  # means are taken by hand in `update`
    )

    def whole(learner: Learner, rollout: Rollout, tally: Tally) -> tuple[Learner, Metrics]:
        learner, metrics = mapped(learner, rollout)
        return learner, metrics | transition_module.episode_means(tally)

    return jax.jit(whole, donate_argnums=(0,))


def ahead(function: Any, *args: Any, **kwargs: Any) -> Callable:
    """A jitted function, compiled before its first call, for arguments like these; none is read."""
    return function.lower(*args, **kwargs).compile()


def place(tree: T) -> T:
    """`tree` where `update` leaves its results, so that no function compiles for two places."""
    return jax.device_put(tree, NamedSharding(_mesh(), PartitionSpec()))


def _mesh() -> Mesh:
    return Mesh([bridge.device()], (AXIS,))


class EpisodeFunctions(NamedTuple):
    """Episodes that are run once each."""

    init: Callable
    """`init(starts, key) -> episodes`."""
    step: Callable
    """`step(starts, policy, kind, episodes, views)`; the episodes' memory is reused."""


def compile_episodes(env: Env, algorithm: Algorithm) -> EpisodeFunctions:
    """Compiles at the first use, for all policies at once."""
    env = dataclasses.replace(env, restart=ONCE)
    init = functools.partial(episodes_module.init_episodes, env, algorithm)
    step = functools.partial(episodes_module.step, env, algorithm)
    return EpisodeFunctions(jax.jit(init), jax.jit(step, donate_argnames=("episodes",)))


def compile_exposure(env: Env, num_scenes: int) -> Callable:
    """`expose(starts, film, state, views, frame)` of the first scenes; the film's memory is reused."""
    function = functools.partial(film_module.expose, env, num_scenes)
    return jax.jit(function, donate_argnames=("film",))


def jit(function: Callable) -> Callable:
    """For set-up: a pure function that runs a few times before the loop begins."""
    return jax.jit(function)


is_finite = jax.jit(types.is_finite)
