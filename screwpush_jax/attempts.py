"""Trains one run to its end: in one simulator, or where an engine fails, in the next."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import jax
import yaml

from screwpush_jax import (
    checkpoint_folder,
    dist,
    init_from,
    initial_state,
    run_folder,
    stages,
)
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config, to_tree
from screwpush_jax.files import to_json, write_atomically
from screwpush_jax.loggers.provenance import PROVENANCE_FILE, provenance
from screwpush_jax.recorder import Recorder
from screwpush_jax.stopping import Stopper
from screwpush_jax.training import train
from screwpush_sim import registry
from screwpush_sim.errors import WorkerError


@dataclasses.dataclass(frozen=True)
class Run:
    """What stays the same however often its simulator is built anew."""

    config: Config
    folder: Path
    source: Found | None
    """The checkpoint whose weights it begins with, of another run."""
    stopper: Stopper
    is_live: bool
    """Whether somebody watches it in a terminal."""


def train_to_the_end(run: Run, found: Found | None) -> Recorder:
    """Trains to the end, from the checkpoint `found` if there is one; an engine that fails is built anew
    as often as it allows."""
    engine = registry.choose(run.config.sim)[0]
    restarts = registry.ENGINES[engine].restarts(getattr(run.config, engine))
    if dist.count() > 1:
        restarts = 0  # the others would wait for this one
    for failures in itertools.count():
        try:
            return _attempt(run, found)
        except WorkerError as error:
            if failures == restarts or run.stopper.requested:
                raise
            print(f"{error}\nrestart {failures + 1} of {restarts}")
        if run_folder.steps(run.folder):
            found = checkpoint_folder.find_in(run.folder, best=False)
    raise AssertionError("unreachable")


def _attempt(run: Run, found: Found | None) -> Recorder:
    """Trains to the end, in one simulator."""
    config = run.config
    with run.stopper.nothing_to_save():
        print(f"run {run.folder}")
        _say_that_it_takes_time()
        anew = found is None or initial_state.begins_anew(config, found)
        starts, after_s = initial_state.starts_and_forecast(config) if anew else (None, 0.0)
        world = stages.make_worlds(config)
    try:
        with run.stopper.nothing_to_save():
            if starts is None:
                assert found is not None
                state = initial_state.restored(config, world, found)
            else:
                state = initial_state.fresh(config, world, starts, found, run.source)
            if dist.index() == 0:
                origin = init_from.origin(run.source, found and found.run_dir)
                _write_config(run.folder, config, world.sim.spec.engine, origin)
        with Recorder(
            config, world, run.folder, found, run.stopper, run.is_live, after_s
        ) as recorder:
            train(config, world, state, recorder)
        return recorder
    finally:
        world.close()


def _write_config(run_dir: Path, config: Config, engine: str, origin: dict[str, Any]) -> None:
    """What a run is, and by what and on what it is made."""
    write_atomically(
        run_dir / run_folder.CONFIG_FILE, yaml.safe_dump(to_tree(config), sort_keys=False)
    )
    write_atomically(
        run_dir / PROVENANCE_FILE, to_json(provenance(engine) | origin, indent=1) + "\n"
    )


def _say_that_it_takes_time() -> None:
    if jax.default_backend() == "gpu":
        print("kernels are compiled now; at the first start on a machine that takes some minutes")
