"""Trains a policy, or goes on with one: `python -m screwpush_jax.train --num-envs 4096`."""

import contextlib
import dataclasses
import itertools
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import yaml
from annotated_types import Ge

from screwpush_jax import (
    checkpoint_folder,
    cli,
    cluster,
    crew,
    dist,
    evaluate,
    init_from,
    initial_state,
    launch,
    resume,
    run_folder,
    stages,
)
from screwpush_jax.bounds import check_section
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.closing import closing_screen
from screwpush_jax.config import FLAG_ONLY, Config, to_tree
from screwpush_jax.display import duration
from screwpush_jax.field_kinds import with_values
from screwpush_jax.files import to_json, write_atomically
from screwpush_jax.filming import films
from screwpush_jax.loggers.provenance import PROVENANCE_FILE, provenance
from screwpush_jax.loggers.services import Services, check_installed
from screwpush_jax.recorder import Recorder, summary
from screwpush_jax.report import write_report
from screwpush_jax.run_folder import RunFolder
from screwpush_jax.stopping import Stopper
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.training import train
from screwpush_sim import registry
from screwpush_sim.errors import WorkerError

CONFIG_FILE = "config.yaml"


@dataclasses.dataclass(frozen=True)
class TrainArgs(cli.CommandArgs):
    """A run's configuration and how to start it."""

    checkpoint: Annotated[str, FLAG_ONLY] = ""
    """Go on from a checkpoint: latest, best, a run's name or folder, or a step's folder."""
    init_from: Annotated[str, FLAG_ONLY] = ""
    """Begin a run with the policy of a checkpoint, named as for --checkpoint: its networks and
    normalisers, to fine-tune them. All else is the new run's own."""
    headless: bool = False
    """Plain log lines instead of a live display (also without a terminal)."""
    test: Annotated[bool, FLAG_ONLY] = False
    """Do not train: evaluate the checkpoint (latest if none is named)."""
    global_num_envs: Annotated[int, FLAG_ONLY, Ge(0)] = 0
    """Scenes of all processes together, instead of --num-envs for each; 0 for that."""
    max_restarts: Annotated[int, FLAG_ONLY, Ge(0)] = 0
    """How often a run of --num-gpus processes goes on from its last checkpoint when one is lost."""

    def settled(self, old: Config | None) -> "TrainArgs":
        if self.test:
            return dataclasses.replace(super().settled(old), num_gpus=1)
        before = (old.num_envs, old.num_gpus) if old else None
        check_section(self.placement, "placement.")
        asked = cluster.processes(self.num_gpus, self.placement.pairs)
        num_envs, num_gpus = cluster.share(self.num_envs, asked, self.global_num_envs, before)
        return dataclasses.replace(self, num_envs=num_envs, num_gpus=num_gpus)


def main(argv: Sequence[str]) -> int:
    prog = "python -m screwpush_jax.train"
    crew.end_with_launcher()
    testing = "--test" in argv
    leads = cluster.place().index == 0
    if testing and not leads:
        return 0
    claimed: list[RunFolder] = []
    with contextlib.ExitStack() as held:

        def claim(path: Path) -> None:
            if leads:
                claimed.append(held.enter_context(RunFolder(path)))

        def meet(args: TrainArgs) -> None:
            if testing:
                return
            count = dist.join(args.placement.pairs).count
            if count < args.num_gpus:
                held.close()  # the run is for those that are started
                raise SystemExit(launch.run(args, argv, args.max_restarts))
            if count == 1:
                launch.pin(args)

        args, found = cli.configure(
            TrainArgs,
            argv,
            prog,
            __doc__ or "",
            "latest" if testing else "",
            None if testing else claim,
            meet,
        )
        config = cli.fields_of(args, Config)
        source = init_from.find(config, args.init_from, bool(found))
        if testing and found:
            evaluate.run(config, found)
            return 0
        check_installed(config)
        films.check_installed(config)
        stages.check(config)
        if not leads:
            config = quiet(config)
        if found:
            config = resume.settle(config, found)
            evaluate.check_unseen(config, found)
            if resume.is_to_be_evaluated(config, found):
                dist.leave()
                if not leads:
                    return 0
                print(f"{found.run_dir.name} was trained to its end; it is evaluated now")
                held.enter_context(Services(config, found.run_dir))
                _evaluate(config, found.run_dir)
                return 0
        cli.announce_engine(config)
        live = _is_terminal() and not args.headless
        with Stopper(lambda: _last_words(config, claimed)) as stopper:
            with stopper.nothing_to_save():
                new = not found or not resume.is_newest(found)  # what an older one led to stays
                if new and leads:
                    parent = config.runs_path / config.task
                    claimed.append(
                        held.enter_context(run_folder.create(parent, config.name, config.algorithm))
                    )
                run_dir = Path(dist.tell(str(claimed[-1].path if claimed else "")))
            services = held.enter_context(Services(config, run_dir))
            recorder = _train(config, found, source, run_dir, stopper, live and leads)
        dist.leave()  # the others need not wait for what the first does alone
        if stopper.requested:
            services.hurry()
        return _finish(config, recorder, run_dir) if leads else stopper.exit_code


def quiet(config: Config) -> Config:
    """The configuration of a process that another one speaks and writes for."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return with_values(config, {"log.to": (), "video.every": 0, "video.episodes": 0})


def _finish(config: Config, recorder: Recorder, run_dir: Path) -> int:
    """Says what came of it, and evaluates what was trained to the end; the exit code."""
    stopper = recorder.stopper
    print(summary(recorder, config))
    if recorder.is_good():
        print(f"training ended because success is surely {config.stop_at_success:.1%}")
    if stopper.requested:
        said = f"stopped and saved; go on with: {_go_on(config, run_dir)}"
        print(said, file=sys.stderr if stopper.signal == signal.SIGPIPE else sys.stdout)
        if stopper.exit_code == 0:  # whoever sent another signal does not wait for pictures
            write_report(run_dir, tasks.find(config.task).metrics)
    else:
        _evaluate(config, run_dir, recorder.after_s)
    return stopper.exit_code


def _evaluate(config: Config, run_dir: Path, about_s: float = 0.0) -> None:
    """Draws, evaluates, and ends with the closing screen; `about_s`: how long it will take, if known."""
    write_report(run_dir, tasks.find(config.task).metrics)
    about = f": about {duration(about_s)}" if about_s else ""
    print(f"evaluating the best checkpoint on {config.eval.episodes} unseen episodes{about}")
    results = evaluate.run_best(config, run_dir)
    newest, best = (checkpoint_folder.find_in(run_dir, best=best) for best in (False, True))
    table = {name: result.row() for name, result in results.items()}
    on = [*resume.more(config, newest), *cli.machine_flags(config)]
    print(closing_screen(run_dir, table, best.step, on))


def _train(
    config: Config,
    found: Found | None,
    source: Found | None,
    run_dir: Path,
    stopper: Stopper,
    live: bool,
) -> Recorder:
    """Trains to the end; an engine that fails is built anew as often as it allows."""
    engine = registry.choose(config.sim)[0]
    restarts = registry.ENGINES[engine].restarts(getattr(config, engine))
    if dist.count() > 1:
        restarts = 0  # the others would wait for this one
    for failures in itertools.count():
        try:
            return _attempt(config, found, source, run_dir, stopper, live)
        except WorkerError as error:
            if failures == restarts or stopper.requested:
                raise
            print(f"{error}\nrestart {failures + 1} of {restarts}")
        if run_folder.steps(run_dir):
            found = checkpoint_folder.find_in(run_dir, best=False)
    raise AssertionError("unreachable")


def _attempt(
    config: Config,
    found: Found | None,
    source: Found | None,
    run_dir: Path,
    stopper: Stopper,
    live: bool,
) -> Recorder:
    """Trains to the end, in one simulator."""
    with stopper.nothing_to_save():
        print(f"run {run_dir}")
        _say_that_it_takes_time()
        anew = found is None or initial_state.begins_anew(config, found)
        starts, after_s = initial_state.starts_and_forecast(config) if anew else (None, 0.0)
        world = stages.make_worlds(config)
    try:
        with stopper.nothing_to_save():
            if starts is None:
                assert found is not None
                state = initial_state.restored(config, world, found)
            else:
                state = initial_state.fresh(config, world, starts, found, source)
            if dist.index() == 0:
                origin = init_from.origin(source, found and found.run_dir)
                _write_config(run_dir, config, world.sim.spec.engine, origin)
        with Recorder(config, world, run_dir, found, stopper, live, after_s) as recorder:
            train(config, world, state, recorder)
        return recorder
    finally:
        world.close()


def _go_on(config: Config, run_dir: Path) -> str:
    """The command that goes on with the run as it was started on this machine."""
    flags = ["--checkpoint", str(run_dir), *cli.machine_flags(config)]
    return f"python -m screwpush_jax.train {shlex.join(flags)}"


def _last_words(config: Config, claimed: Sequence[RunFolder]) -> str:
    """Before a sudden end: what is left of the run, and how to go on with it."""
    for folder in claimed[-1:]:
        if run_folder.steps(folder.path):
            return f"nothing new was there to save; go on with: {_go_on(config, folder.path)}"
        folder.remove_if_empty()
    return "nothing was there to save; the same command starts anew"


def _write_config(run_dir: Path, config: Config, engine: str, origin: dict[str, Any]) -> None:
    """What a run is, and by what and on what it is made."""
    write_atomically(run_dir / CONFIG_FILE, yaml.safe_dump(to_tree(config), sort_keys=False))
    write_atomically(
        run_dir / PROVENANCE_FILE, to_json(provenance(engine) | origin, indent=1) + "\n"
    )


def _say_that_it_takes_time() -> None:
    if jax.default_backend() == "gpu":
        print("kernels are compiled now; at the first start on a machine that takes some minutes")


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


if __name__ == "__main__":
    cli.run(main)
