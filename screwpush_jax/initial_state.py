"""The state in which a run begins: fresh, with another policy's weights, or where a checkpoint stood."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax

from screwpush_jax import checkpoint, checkpoint_folder, compatible, compiled, dist, init_from
from screwpush_jax.build import World, find_starts, init_arrays
from screwpush_jax.checkpoint import RunState, StageState
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config
from screwpush_jax.episodes import policy_names
from screwpush_jax.forecast import evaluation_s
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.tasks.task import Starts
from screwpush_jax.transition import Carry


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
    learner, carries = compiled.jit(partial(_arrays, config, world))(starts, key)
    if source:
        learner = init_from.with_weights(source, world, learner)
        print(f"policy of {source.run_dir.name} at {source.step:,} control steps")
    if found:
        compatible.check_layout(found, world.task.obs_layout)
        learner = checkpoint.restore_learner(found, learner)
        print(
            f"restored what {found.run_dir.name} had learned at {found.step:,} control steps; its"
            f" environments start anew, as {_why_anew(config, found)}"
        )
    return _placed(_state(learner, carries, starts, world))


def begins_anew(config: Config, found: Found) -> bool:
    """Whether environments of the checkpoint start anew: other processes, or other groups, stepped them."""
    now = dist.count(), config.pipeline_stages
    return (checkpoint_folder.processes(found), checkpoint_folder.stages(found)) != now


def restored(config: Config, world: World, found: Found) -> RunState:
    """The state in which the checkpoint was saved.

    Raises:
      CheckpointError: it is of another layout, or cannot be read.
    """
    task = world.task
    compatible.check_layout(found, task.obs_layout)
    starts = task.abstract_starts(task.num_starts)
    init, key = partial(_arrays, config, world), jax.random.key(config.seed)
    learner, carries = jax.eval_shape(init, starts, key)
    read = checkpoint.restore if dist.count() == 1 else checkpoint.restore_own
    state = read(found, _state(learner, carries, starts, world))
    world.sim.restore(state.snapshot)
    for other, saved in zip(world.others, state.others, strict=True):
        other.sim.restore(saved.snapshot)
    print(f"restored {found.run_dir.name} at {found.step:,} control steps")
    return _placed(state)


def _placed(state: RunState) -> RunState:
    learner = compiled.place_learner(state.learner)
    carry, starts = compiled.place((state.carry, state.starts))
    others = (StageState(compiled.place(one.carry), one.snapshot) for one in state.others)
    return RunState(learner, carry, starts, state.snapshot, tuple(others))


def _arrays(
    config: Config, world: World, starts: Starts, key: jax.Array
) -> tuple[Any, tuple[Carry, ...]]:
    """A fresh learner, and a carry for each stage."""
    pairs = [
        init_arrays(config, one, starts, key, stage)
        for stage, one in enumerate((world, *world.others))
    ]
    return pairs[0][0], tuple(carry for _, carry in pairs)


def _state(learner: Any, carries: Sequence[Carry], starts: Starts, world: World) -> RunState:
    sims = (world.sim, *(other.sim for other in world.others))
    first, *others = map(StageState, carries, (sim.snapshot() for sim in sims))
    return RunState(learner, first.carry, starts, first.snapshot, tuple(others))


def _why_anew(config: Config, found: Found) -> str:
    before, then = checkpoint_folder.processes(found), checkpoint_folder.stages(found)
    if before != dist.count():
        return f"{before} processes stepped them and now {dist.count()} do"
    return f"they were stepped in {then} pipeline stages and now are in {config.pipeline_stages}"
