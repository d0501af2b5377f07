"""Where measurements begin: a trained run, a fresh run's arrays placed as training places them."""

from pathlib import Path

import jax

from screwpush_jax import checkpoint, checkpoint_folder, compatible, compiled
from screwpush_jax.build import World, init_arrays
from screwpush_jax.checkpoint import RunState
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config


def trained(spec: str, runs_dir: str) -> tuple[Found, Config]:
    """The checkpoint that `spec` names, and its configuration."""
    found = checkpoint_folder.find(spec, Path(runs_dir), Config.task)
    compatible.same_task(found, "")
    return found, compatible.config_of(found)


def fresh_state(config: Config, world: World, found: Found | None = None) -> RunState:
    """A fresh run's state, with the checkpoint's learner if one is given; no snapshot."""
    task = world.task
    starts = task.starts(world.sim, task.num_starts, 0, compiled.jit)
    init = compiled.jit(lambda starts, key: init_arrays(config, world, starts, key))
    learner, carry = init(starts, jax.random.key(0))
    if found:
        learner = checkpoint.restore_learner(found, learner)
    learner, carry, starts = compiled.place((learner, carry, starts))
    return RunState(learner, carry, starts, {})
