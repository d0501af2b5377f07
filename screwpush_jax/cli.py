"""What the command lines share: configuration from files and flags, errors in one line, code 2."""

import argparse
import dataclasses
import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from screwpush_jax import checkpoint
from screwpush_jax.checkpoint import Found
from screwpush_jax.config import Config, from_tree, load_yaml, parse
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.setup import differences, use_device
from screwpush_jax.tasks.task import BankError
from sim import registry
from sim.errors import DeviceLostError, SimError

T = TypeVar("T", bound=Config)


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Calls `main` with the command's arguments; a user's error is one line and exit code 2."""
    gc.freeze()  # modules stay: no collection need look at all of theirs again
    try:
        main(sys.argv[1:])
    except DeviceLostError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(2)  # each array and each kernel would report the device, and the last one abort
    except (UsageError, SimError, BankError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def configure(
    kind: type[T], args: Sequence[str], prog: str, description: str, checkpoint_spec: str = ""
) -> tuple[T, Found | None]:
    """Defaults, under the checkpoint's configuration, under `--config`, under flags; checked.

    `checkpoint_spec` is what `--checkpoint` is when it is not given; empty for none.

    Raises:
      UsageError, SimError: before anything is written.
    """
    early = _early(args)
    known: T = kind()
    found = None
    old = known
    spec = early.checkpoint or checkpoint_spec
    if spec and not {"-h", "--help"} & set(args):
        found = checkpoint.find(spec, Path(early.runs_dir), early.task)
        known = old = _of_checkpoint(kind, found, known)
    if early.config:
        known = load_yaml(Path(early.config), kind, known)
    config = parse(kind, args, known, prog, description)
    config.check()
    use_device(config)
    if found:
        _check_fits(config, found, old)
    return config, found


def announce_engine(config: Config) -> None:
    """Says which engine runs, and why."""
    engine, reason = registry.choose(config.sim)
    print(f"engine {engine} ({reason})")
    log = logging.getLogger("sim")  # what an engine has to say about itself
    log.addHandler(logging.StreamHandler(sys.stdout))
    log.setLevel(logging.INFO)
    log.propagate = False  # a library that sets up the root logger would have it said twice


def _early(args: Sequence[str]) -> argparse.Namespace:
    """The flags that decide where defaults come from."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", default=None)
    parser.add_argument("--checkpoint", default=None)
    parser.add_argument("--task", default=Config.task)
    parser.add_argument("--runs-dir", "--runs_dir", default=Config.runs_dir)
    try:
        early, _ = parser.parse_known_args(list(args))
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from None
    for flag, valid in (("config", "a YAML file"), ("checkpoint", "latest, best, or a run")):
        if getattr(early, flag) == "":
            raise UsageError(f"--{flag} is empty; valid: {valid}")
    return early


def _of_checkpoint(kind: type[T], found: Found, known: T) -> T:
    try:
        return from_tree(found.meta["config"], kind, known)
    except (KeyError, UsageError) as error:
        raise CheckpointError(
            f"{found.run_dir}: its configuration does not fit this version: {error}"
        ) from None


def _check_fits(config: Config, found: Found, old: Config) -> None:
    """Raises CheckpointError if the policy of `found`, trained with `old`, cannot act here."""
    changed = differences(config, old)
    if found.meta.get("task") != config.task:
        changed.append(f"task {config.task!r} (checkpoint: {found.meta.get('task')!r})")
    if changed:
        raise CheckpointError(
            f"checkpoint {found.run_dir.name}/{found.step} was trained with other settings:"
            f" {'; '.join(changed)}; leave these flags out or train anew"
        )


def check_layout(found: Found, layout: Sequence[Sequence[object]]) -> None:
    """Raises CheckpointError if the checkpoint's policy reads another observation."""
    old = [tuple(field) for field in found.meta.get("obs_layout", [])]
    new = [tuple(field) for field in layout]
    if old != new:
        wrong = [f"{o[0]}[{o[1]}:{o[2]}]" for o in old if o not in new] or ["(none stored)"]
        raise CheckpointError(
            f"checkpoint {found.run_dir.name}/{found.step} has another observation layout;"
            f" fields that do not fit: {', '.join(wrong)}"
        )


def fields_of(config: Config, kind: type[T]) -> T:
    """The part of a command's configuration that is a `kind`."""
    return kind(**{f.name: getattr(config, f.name) for f in dataclasses.fields(kind)})
