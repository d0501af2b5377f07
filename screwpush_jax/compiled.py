"""The only `jax.jit` of the package.

Training runs two of them, `transition` and `update`, and each is traced once.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
from jax.sharding import NamedSharding, PartitionSpec, SingleDeviceSharding

from screwpush_jax import dist
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


_SAME, _ALONG_N = PartitionSpec(), PartitionSpec(None, AXIS)
"""How what `update` takes lies on the mesh: on each device its own, or split along N."""


def compile_update(algorithm: Algorithm, num_iterations: int) -> Callable:
    """`update(learner, rollout, tally)` on one device of each process; the learner's memory is reused.

    Its metrics hold the episodes' too: the tally itself is the next transition's to overwrite.
    """

    def whole(learner: Learner, rollout: Rollout, tally: Tally) -> tuple[Learner, Metrics]:
        learner, metrics = algorithm.update(num_iterations, learner, rollout)
        tally = jax.lax.psum(tally, AXIS)
        return learner, metrics | transition_module.episode_means(tally)

    return jax.jit(_mapped(whole, (_SAME, _ALONG_N, _SAME)), donate_argnums=(0,))


def update_ahead(algorithm: Algorithm, num_iterations: int, *args: Any) -> Callable:
    """`update` of this process's learner, rollout and tally `args`, compiled before its first call.

    What goes in and comes out are arrays of this process. Nothing is copied on the way, but rollout and
    tally to the device on which it learns, if that is another.
    """

    def on_mesh(learner: Learner, rollout: Rollout, tally: Tally) -> tuple[Any, ...]:
        if dist.is_split():
            rollout, tally = place_learner((rollout, tally))
        parts = ((learner, _SAME), (rollout, _ALONG_N), (tally, _SAME))
        return tuple(dist.to_mesh(tree, spec) for tree, spec in parts)

    update = ahead(compile_update(algorithm, num_iterations), *on_mesh(*args))
    if dist.count() == 1 and not dist.is_split():
        return update
    return lambda *args: dist.local(update(*on_mesh(*args)))


def compile_agreement() -> Callable:
    """`agree(values)`: the largest that any process gave, of each of `values [V]`."""
    agree = jax.jit(_mapped(lambda values: jax.lax.pmax(values, AXIS), (_SAME,)))
    return lambda values: dist.local(agree(dist.to_mesh(place_learner(values), _SAME)))


def compile_checksums() -> Callable:
    """`checksums(tree)`: a sum over the bits of each leaf, in each process: `[processes, leaves]`."""

    def of_all(tree: Any) -> jax.Array:
        return jax.lax.all_gather(types.checksums(tree), AXIS)

    sums = jax.jit(_mapped(of_all, (_SAME,)))
    return lambda tree: dist.local(sums(dist.to_mesh(tree, _SAME)))


def _mapped(function: Callable, in_specs: tuple[PartitionSpec, ...]) -> Callable:
    """`function` on one device of each process, with the same result on all of them."""
    return jax.shard_map(
        function,
        mesh=dist.mesh(),
        in_specs=in_specs,
        out_specs=_SAME,
        check_vma=False,  # means are taken by hand
    )


def ahead(function: Any, *args: Any, **kwargs: Any) -> Callable:
    """A jitted function, compiled before its first call, for arguments like these; none is read."""
    return function.lower(*args, **kwargs).compile()


def place(tree: T) -> T:
    """`tree` where the simulator is; as `update` leaves its results, if it is there, too, so that no
    function compiles for two places."""
    return jax.device_put(tree, _at_simulator()) if dist.is_split() else place_learner(tree)


def place_learner(tree: T) -> T:
    """`tree` where and as `update` leaves its results."""
    own, alone = SingleDeviceSharding(dist.learner_device()), dist.count() == 1
    return jax.device_put(tree, NamedSharding(dist.mesh(), _SAME) if alone else own)


def to_simulator(policy: T) -> T:
    """What `update` leaves, where it acts: another place only if learner and simulator are apart."""
    return jax.device_put(policy, _at_simulator()) if dist.is_split() else policy


def _at_simulator() -> SingleDeviceSharding:
    return SingleDeviceSharding(bridge.device())


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


join = jax.jit(transition_module.join)
is_finite = jax.jit(types.is_finite)
