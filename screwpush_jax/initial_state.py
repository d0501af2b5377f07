"""The state in which a run begins: fresh, with another policy's weights, or where a checkpoint stood."""

import time
from functools import partial

import jax

from screwpush_jax import checkpoint, cli, compiled, dist, init_from
from screwpush_jax.build import World, find_starts, init_arrays
from screwpush_jax.checkpoint import Found, RunState
from screwpush_jax.config import Config
from screwpush_jax.episodes import policy_names
from screwpush_jax.forecast import evaluation_s
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.tasks.task import Starts


def starts_and_forecast(config: Config) -> tuple[Starts, float]:
    """Start states, and the seconds that the evaluation will take."""
    task = tasks.find(config.task)(config.env)
    print(f"finding {task.num_starts} start states, which settle in the physics of evaluation")
    began, reports = time.perf_counter(), []
    starts = find_starts(config, reports.append)
    took_s = time.perf_counter() - began
    print(f"found {task.num_starts} start states in {took_s:.1f} s")
    policies = len(policy_names(task)) if config.eval.baselines else 1
    scenes, (report,) = min(config.num_envs, task.num_starts), reports
    sizes = (task.num_starts, config.eval.episodes, task.horizon + 1, policies)
    return starts, evaluation_s(report, scenes, took_s, *sizes)


def fresh(
    config: Config, world: World, starts: Starts, found: Found | None, source: Found | None
) -> RunState:
    """The state in which a run begins, with the weights of `source` if there is one; with the whole
    learner of `found`, of other processes, if given."""
    key = jax.random.key(config.seed)
    if found:
        key = jax.random.fold_in(key, found.step % 2**32)
    learner, carry = compiled.jit(partial(init_arrays, config, world))(starts, key)
    if source:
        learner = init_from.with_weights(source, world, learner)
        print(f"policy of {source.run_dir.name} at {source.step:,} control steps")
    if found:
        cli.check_layout(found, world.task.obs_layout)
        learner = checkpoint.restore_learner(found, learner)
        print(
            f"restored what {found.run_dir.name} had learned at {found.step:,} control steps; its"
            f" environments start anew, as {checkpoint.processes(found)} processes stepped them and"
            f" now {dist.count()} do"
        )
    return _placed(RunState(learner, carry, starts, world.sim.snapshot()))


def restored(config: Config, world: World, found: Found) -> RunState:
    """The state in which the checkpoint was saved.

    Raises:
      CheckpointError: it is of another layout, or cannot be read.
    """
    task, sim = world.task, world.sim
    cli.check_layout(found, task.obs_layout)
    starts = task.abstract_starts(task.num_starts)
    init, key = partial(init_arrays, config, world), jax.random.key(config.seed)
    learner, carry = jax.eval_shape(init, starts, key)
    read = checkpoint.restore if dist.count() == 1 else checkpoint.restore_own
    state = read(found, RunState(learner, carry, starts, sim.snapshot()))
    sim.restore(state.snapshot)
    print(f"restored {found.run_dir.name} at {found.step:,} control steps")
    return _placed(state)


def _placed(state: RunState) -> RunState:
    learner, carry, starts = compiled.place((state.learner, state.carry, state.starts))
    return RunState(learner, carry, starts, state.snapshot)
