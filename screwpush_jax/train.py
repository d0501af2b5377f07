"""Trains a policy, or goes on with one: `python -m screwpush_jax.train --num-envs 4096`."""

import dataclasses
import itertools
import shlex
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import jax
import yaml

from screwpush_jax import checkpoint, cli, compiled, evaluate, loggers
from screwpush_jax.checkpoint import Found, RunState
from screwpush_jax.config import FLAG_ONLY, Config, to_tree
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.recorder import Recorder, summary
from screwpush_jax.report import write_report
from screwpush_jax.setup import World, init_arrays, make_world
from screwpush_jax.tasks.task import abstract_bank
from screwpush_jax.training import train
from sim.errors import WorkerError

CONFIG_FILE = "config.yaml"


@dataclasses.dataclass(frozen=True)
class TrainArgs(Config):
    """A run's configuration and how to start it."""

    config: Annotated[str, FLAG_ONLY] = ""
    """YAML file with values for the fields below; flags come on top."""
    checkpoint: Annotated[str, FLAG_ONLY] = ""
    """Go on from a checkpoint: latest, best, a run's name or folder, or a step's folder."""
    headless: bool = False
    """Plain log lines instead of a live display (also without a terminal)."""
    test: Annotated[bool, FLAG_ONLY] = False
    """Do not train: evaluate the checkpoint (latest if none is named)."""


def main(argv: Sequence[str]) -> None:
    prog = "python -m screwpush_jax.train"
    spec = "latest" if "--test" in argv else ""
    args, found = cli.configure(TrainArgs, argv, prog, __doc__ or "", spec)
    config = cli.fields_of(args, Config)
    if args.test and found:
        evaluate.run(config, found)
        return
    loggers.check_installed(config)
    run_dir = _run_dir(config, found)  # a taken name is told before anything is built
    cli.announce_engine(config)
    recorder = _train(config, found, run_dir, live=sys.stdout.isatty() and not args.headless)
    print(summary(recorder, config))
    write_report(run_dir)
    if recorder.stop_asked:
        resume = f"python -m screwpush_jax.train --checkpoint {shlex.quote(str(run_dir))}"
        print(f"stopped and saved; go on with: {resume}")
    else:
        evaluate.run(config, checkpoint.find_in(run_dir, best=True))


def _train(config: Config, found: Found | None, run_dir: Path, *, live: bool) -> Recorder:
    """Trains to the end; an engine that fails is built anew as often as it allows."""
    for failures in itertools.count():
        world = make_world(config, config.num_envs)
        try:
            state = _start(config, world, found)
            _open_run(run_dir, config)
            with Recorder(config, world, run_dir, found, live) as recorder:
                train(config, world, state, recorder)
            return recorder
        except WorkerError as error:
            if failures == world.sim.spec.restarts:
                raise
            said = f"{error}\nrestart {failures + 1} of {world.sim.spec.restarts}"
        finally:
            world.sim.close()
        print(said)
        if checkpoint.steps(run_dir):
            found = checkpoint.find_in(run_dir, best=False)
    raise AssertionError("unreachable")


def _start(config: Config, world: World, found: Found | None) -> RunState:
    """A fresh run's state, or the checkpoint's."""
    task, sim, size = world.task, world.sim, config.separate.bank_size
    init, key = partial(init_arrays, config, task), jax.random.key(config.seed)
    if found:
        cli.check_layout(found, task.obs_layout)
        bank = abstract_bank(sim.spec, size)
        learner, carry = jax.eval_shape(init, bank, key)
        state = checkpoint.restore(found, RunState(learner, carry, bank, sim.snapshot()))
        sim.restore(state.snapshot)
        print(f"restored {found.run_dir.name} at {found.step:,} control steps")
    else:
        began = time.perf_counter()
        bank = task.build_bank(sim, size, config.seed, compiled.jit_once)
        sim.report()()  # these steps are none of training's
        print(f"bank of {size} start states settled in {time.perf_counter() - began:.1f} s")
        learner, carry = compiled.jit_once(init)(bank, key)
        state = RunState(learner, carry, bank, sim.snapshot())
    learner, carry, bank = compiled.place((state.learner, state.carry, state.bank))
    return RunState(learner, carry, bank, state.snapshot)


def _run_dir(config: Config, found: Found | None) -> Path:
    """Where the run lives: a new folder, or the checkpoint's if it is that run's newest.

    From an older checkpoint a new run begins, so that nothing saved after it is overwritten.
    """
    if found:
        _check_same_shapes(config, found)
        if found.step == checkpoint.steps(found.run_dir)[-1]:
            return found.run_dir
    parent = Path(config.runs_dir) / config.task
    name = config.name if not found else ""
    taken = sorted(p.name for p in parent.glob(f"*-{name}")) if name else []
    if taken:
        raise UsageError(f"--name {name}: the run {parent / taken[0]} exists; take another name")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = parent / f"{stamp}-{name or 'ppo'}"
    if path.exists():
        raise UsageError(f"the run {path} exists; take another --name")
    return path


def _check_same_shapes(config: Config, found: Found) -> None:
    old, new = found.meta["config"], to_tree(config)
    shapes = {
        "num_envs": (old["num_envs"], new["num_envs"]),
        "ppo.num_steps": (old["ppo"]["num_steps"], new["ppo"]["num_steps"]),
        "separate.bank_size": (old["separate"]["bank_size"], new["separate"]["bank_size"]),
        "sim": (old["sim"], new["sim"]),
    }
    changed = [f"{name} {was}" for name, (was, now) in shapes.items() if was != now]
    if changed:
        raise CheckpointError(
            f"a run goes on with its own {', '.join(changed)}; leave these flags out"
        )


def _open_run(run_dir: Path, config: Config) -> None:
    print(f"run {run_dir}")
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / CONFIG_FILE).write_text(yaml.safe_dump(to_tree(config), sort_keys=False))


if __name__ == "__main__":
    cli.run(main)
