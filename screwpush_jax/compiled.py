"""The only `jax.jit` of the package.

Training runs two of them, `transition` and `update`, and each is traced once.
"""

import functools
from collections.abc import Callable

import jax
from jax.sharding import Mesh, PartitionSpec

from screwpush_jax import transition as transition_module
from screwpush_jax import trial
from screwpush_jax.ppo import update as update_module
from screwpush_jax.ppo.types import PPOConfig
from screwpush_jax.transition import Interface


def compile_transition(parts: Interface) -> Callable:
    """`transition(bank, policy, carry, views)`; the carry's memory is reused."""
    function = functools.partial(transition_module.transition, parts)
    return jax.jit(function, donate_argnames=("carry",))


def compile_update(config: PPOConfig, num_iterations: int) -> Callable:
    """`update(learner, rollout)` over all devices; the learner's memory is reused."""
    mesh = Mesh(jax.devices(), (update_module.AXIS,))
    function = functools.partial(update_module.update, config, num_iterations)
    spread = PartitionSpec(None, update_module.AXIS)  # rollouts are split along N
    mapped = jax.shard_map(
        function,
        mesh=mesh,
        in_specs=(PartitionSpec(), spread),
        out_specs=(PartitionSpec(), PartitionSpec()),
        check_vma=False,  # means are taken by hand in `update`
    )
    return jax.jit(mapped, donate_argnums=(0,))


def compile_trial(parts: Interface) -> Callable:
    """`step(bank, policy, kind, exam, views)`: one step of episodes that are run once each."""
    return jax.jit(functools.partial(trial.step, parts), donate_argnames=("exam",))


def jit_once(function: Callable) -> Callable:
    """For set-up: a pure function that runs a few times before the loop begins."""
    return jax.jit(function)
