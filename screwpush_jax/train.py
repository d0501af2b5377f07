"""Trains a policy, or goes on with one: `python -m screwpush_jax.train --num-envs 4096`."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from screwpush_jax import (
    cli,
    cluster,
    crew,
    dist,
    ending,
    evaluate,
    idle_options,
    init_from,
    launch,
    resume,
    run_folder,
    stages,
)
from screwpush_jax.attempts import Run, train_to_the_end
from screwpush_jax.bounds import check_section
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import FLAG_ONLY, Config
from screwpush_jax.errors import UsageError
from screwpush_jax.field_kinds import with_values
from screwpush_jax.filming import films
from screwpush_jax.loggers.services import Services, check_installed
from screwpush_jax.run_folder import RunFolder
from screwpush_jax.stopping import Stopper

_PROG = "python -m screwpush_jax.train"


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
        check_section(self)  # before what is derived replaces what was said
        asked = cluster.processes(self.num_gpus, self.placement.pairs)
        num_envs, num_gpus = cluster.share(self.num_envs, asked, self.global_num_envs, before)
        if self.max_restarts and num_gpus == 1:
            raise UsageError(
                f"--max-restarts {self.max_restarts}: one process is not started anew when it is lost;"
                " valid: with --num-gpus 2 or more"
            )
        return dataclasses.replace(self, num_envs=num_envs, num_gpus=num_gpus)


def main(argv: Sequence[str]) -> int:
    crew.end_with_launcher()
    leads = cluster.place().index == 0
    if "--test" in argv:
        return _test(argv) if leads else 0
    _check_said_once(argv)
    claimed: list[RunFolder] = []
    with contextlib.ExitStack() as held:

        def claim(path: Path) -> None:
            if leads:
                claimed.append(held.enter_context(RunFolder(path)))

        args, found = cli.resolve(TrainArgs, argv, _PROG, __doc__ or "", "", claim)
        config, source = _checked(args, found)
        count = dist.join(args.placement.pairs).count
        if count < args.num_gpus:
            held.close()  # the run is for those that are started
            return launch.run(args, argv, args.max_restarts)
        if count == 1:
            launch.pin(args)
        print(f"device {cli.use_device(args)}")
        stages.check(config)
        if found and resume.is_to_be_evaluated(config, found):
            dist.leave()
            return _evaluate(config, found) if leads else 0
        if not leads:
            config = quiet(config)
        cli.announce_engine(config)
        with Stopper(lambda: ending.last_words(config, claimed)) as stopper:
            with stopper.nothing_to_save():
                new = not found or not resume.is_newest(found)  # what an older one led to stays
                if new and leads:
                    parent = config.runs_path / config.task
                    claimed.append(
                        held.enter_context(run_folder.create(parent, config.name, config.algorithm))
                    )
                run_dir = Path(dist.tell(str(claimed[-1].path if claimed else "")))
            services = held.enter_context(Services(config, run_dir))
            is_live = leads and _is_terminal() and not args.headless
            run = Run(config, run_dir, source, stopper, is_live)
            recorder = train_to_the_end(run, found)
        dist.leave()  # the others need not wait for what the first does alone
        if stopper.requested:
            services.hurry()
        return ending.finish(config, recorder, run_dir) if leads else stopper.exit_code


def _test(argv: Sequence[str]) -> int:
    """Evaluates instead of training."""
    args, found = cli.configure(TrainArgs, argv, _PROG, __doc__ or "", "latest")
    assert found is not None
    config = cli.fields_of(args, Config)
    init_from.find(config, args.init_from, goes_on=True)
    evaluate.run(config, found)
    return 0


def _evaluate(config: Config, found: Found) -> int:
    """Of a run that had been trained to its end, and no further, when it was stopped."""
    print(f"{found.run_dir.name} was trained to its end; it is evaluated now")
    with Services(config, found.run_dir):
        ending.evaluate_best(config, found.run_dir)
    return 0


def _check_said_once(argv: Sequence[str]) -> None:
    """Raises UsageError if the command line says both how many scenes each process has and how many all."""
    flags = {word.partition("=")[0].replace("_", "-") for word in argv}
    if {"--num-envs", "--global-num-envs"} <= flags:
        raise UsageError(
            "--global-num-envs is of all processes together and --num-envs of each; valid: one of the two"
        )


def _checked(args: TrainArgs, found: Found | None) -> tuple[Config, Found | None]:
    """The run's configuration, and the checkpoint whose weights it begins with, if it does.

    Raises:
      UsageError: whatever can be refused before JAX looks for a device, and others are started or met.
    """
    config = cli.fields_of(args, Config)
    source = init_from.find(config, args.init_from, bool(found))
    check_installed(config)
    films.check_installed(config)
    if config.sim != "auto":  # which one that is, JAX says
        stages.check(config)
    if found:
        config = resume.settle(config, found)
        evaluate.check_unseen(config, found)
    else:
        idle_options.check(config)
    return config, source


def quiet(config: Config) -> Config:
    """The configuration of a process that another one speaks and writes for."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return with_values(config, {"log.to": (), "video.every": 0, "video.episodes": 0})


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


if __name__ == "__main__":
    cli.run(main)
