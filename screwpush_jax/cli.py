"""What the command lines share: configuration from files and flags, errors in one line, code 2."""

import argparse
import dataclasses
import errno
import gc
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from screwpush_jax import checkpoint_folder, compatible, dist, plugins
from screwpush_jax.algorithms import registry as algorithms
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import (
    FLAG_ONLY,
    Config,
    config_type,
    load_tree,
    load_yaml,
    parse,
    text_of,
)
from screwpush_jax.config_text import to_yaml
from screwpush_jax.device import check_engine, use_device
from screwpush_jax.errors import REFUSED, UsageError
from screwpush_jax.field_kinds import of_a_run, with_values
from screwpush_jax.paths import check_run_path, check_runs_dir, expand
from screwpush_jax.placement import PlacementConfig
from screwpush_jax.stopping import drop_output
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.tasks.task import StartsError
from screwpush_sim import registry
from screwpush_sim.errors import DeviceLostError, SimError

C = TypeVar("C", bound="CommandArgs")


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Calls `main` with the command's arguments and ends with the exit code that it returns.

    A user's error is one line and exit code 2. One of several processes that train together ends at
    once when it fails: at Python's own end it would wait for the others, and they for it.
    """
    gc.freeze()  # modules stay: no collection need look at all of theirs again
    if isinstance(sys.stdout, io.TextIOWrapper):
        # who reads along in a pipe sees each line, and whatever the terminal cannot say is escaped
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        code = main(sys.argv[1:])
        print(end="", flush=True)
    except DeviceLostError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        # else each array and each kernel would report the device, and the last one abort
        os._exit(REFUSED)
    except (UsageError, SimError, StartsError) as error:
        print(f"error: {error}", file=sys.stderr)
        code = _failed(REFUSED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = _failed(130)
    except BrokenPipeError:
        drop_output()
        print("error: nobody reads the output any more; it ended there", file=sys.stderr)
        code = _failed(128 + signal.SIGPIPE)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            where = f"{error.filename}: " if error.filename else ""
            print(f"error: {where}{error.strerror}", file=sys.stderr)
            sys.exit(_failed(REFUSED))
        if dist.count() == 1:
            raise
        if dist.is_loss(error):
            print(f"error: {dist.said_of_loss(error)}", file=sys.stderr)
            _failed(LOST)
        traceback.print_exc()
        _failed(1)
    sys.exit(code)


_OF_THE_DISK = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EISDIR, errno.ENOTDIR),
)
"""No room, no leave to write there, or a folder where a file is meant."""
LOST = 3
"""Exit code of a process that ends because another one is lost."""


def _failed(code: int) -> int:
    if dist.count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


@dataclasses.dataclass(frozen=True)
class CommandArgs(Config):
    """What every command takes beside a run's configuration."""

    config: Annotated[str, FLAG_ONLY] = ""
    """YAML file with values for the fields of this list; flags come on top."""
    checkpoint: Annotated[str, FLAG_ONLY] = ""
    """latest, best, a run's name or folder, or a step's folder."""
    print_config: Annotated[bool, FLAG_ONLY] = False
    """Print the resolved configuration as YAML, and do nothing else."""

    def settled(self: C, old: Config | None) -> C:
        """With what follows from elsewhere than flags; `old`: the configuration that goes on."""
        del old
        return dataclasses.replace(self, placement=PlacementConfig())  # only training is split


def configure(
    kind: type[C],
    args: Sequence[str],
    prog: str,
    description: str,
    checkpoint_spec: str,
) -> tuple[C, Found | None]:
    """As `resolve`, of a command that goes on with no run; JAX computes on the device from then on."""
    config, found = resolve(kind, args, prog, description, checkpoint_spec)
    print(f"device {use_device(config)}")
    return config, found


def resolve(
    kind: type[C],
    args: Sequence[str],
    prog: str,
    description: str,
    checkpoint_spec: str = "",
    claim: Callable[[Path], object] | None = None,
) -> tuple[C, Found | None]:
    """Defaults, under the checkpoint's configuration, under `--config`, under flags; checked.

    `checkpoint_spec` is what `--checkpoint` is when it is not given; empty for none. Whoever goes on
    with a run gives `claim`, which is called with its folder before its checkpoint is chosen. JAX
    looks for no device yet.

    Raises:
      UsageError, SimError: before anything is written.
      SystemExit: with code 0, after printing what was asked for: help, or the configuration.
    """
    plugins.load()
    early = _early(args)
    file = load_tree(Path(early.config)) if early.config else {}
    found = _found(early, args, file, checkpoint_spec, claim)
    known, old = _defaults(kind, early, file, found)
    config = parse(type(known), args, known, prog, description).settled(old)
    config.check()
    if early.print_config:
        print(to_yaml(fields_of(config, Config)), end="")
        raise SystemExit(0)
    if claim is not None:
        check_runs_dir(config.runs_path)
        check_run_path(config.runs_path / config.task / config.name)
    if found and claim is not None and config.sim == "auto":
        config = dataclasses.replace(config, sim=found.meta["engine"])  # it goes on where it was
    check_engine(config)
    if found and old is not None:
        compatible.check_fits(config, found, old)
    return config, found


def _found(
    early: argparse.Namespace,
    args: Sequence[str],
    file: Mapping[str, Any],
    default: str,
    claim: Callable[[Path], object] | None,
) -> Found | None:
    """The checkpoint that is asked for, if one is."""
    printing = early.print_config
    spec = early.checkpoint or default
    if not spec or {"-h", "--help"} & set(args) or (printing and not early.checkpoint):
        return None
    runs_dir = expand(early.runs_dir or text_of(file, "runs_dir") or Config.runs_dir, "runs-dir")
    task = tasks.find(_choice("task", early, file) or tasks.DEFAULT).name
    return checkpoint_folder.find(spec, runs_dir, task, None if printing else claim)


def _defaults(
    kind: type[C], early: argparse.Namespace, file: Mapping[str, Any], found: Found | None
) -> tuple[C, Config | None]:
    """What flags come on top of, and the checkpoint's own configuration where there is one."""
    task, algorithm = (_choice(name, early, file) for name in ("task", "algorithm"))
    old = None
    if found:
        task = compatible.same_task(found, task)
        algorithm = compatible.same_algorithm(found, algorithm)
        old = compatible.config_of(found)
    full_kind = config_type(task or tasks.DEFAULT, kind, algorithm or algorithms.DEFAULT)
    known = full_kind()
    if old is not None:
        known = with_values(known, of_a_run(old))
    if early.config:
        known = load_yaml(Path(early.config), full_kind, known)
    return known, old


def _choice(name: str, early: argparse.Namespace, file: Mapping[str, Any]) -> str:
    """The task or the algorithm that flags name, or else the file; empty if neither does."""
    return getattr(early, name) or text_of(file, name)


def machine_flags(config: Config) -> list[str]:
    """The flags that say again what this configuration sets and no checkpoint brings."""
    plain = dataclasses.replace(config, name="", runs_dir=Config.runs_dir)
    return list(_flags_between(with_values(type(plain)(), of_a_run(plain)), plain, ""))


def _flags_between(one: Any, other: Any, prefix: str) -> Iterator[str]:
    """What turns `one` into `other` on a command line."""
    for field in dataclasses.fields(one):
        name, value = field.name.replace("_", "-"), getattr(other, field.name)
        if dataclasses.is_dataclass(value):
            yield from _flags_between(getattr(one, field.name), value, f"{prefix}{name}.")
        elif value != getattr(one, field.name):
            negated = value is False
            yield f"--{prefix}{'no-' if negated else ''}{name}"
            if not isinstance(value, bool):
                yield from map(str, value if isinstance(value, tuple) else [value])


def announce_engine(config: Config) -> None:
    """Says which engine runs, and why."""
    engine, reason = registry.choose(config.sim)
    print(f"engine {engine} ({reason})")
    # what an engine or a task has to say about itself
    for name in ("screwpush_sim", "screwpush_jax"):
        log = logging.getLogger(name)
        log.addHandler(logging.StreamHandler(sys.stdout))
        log.setLevel(logging.INFO)
        log.propagate = False  # a library that sets up the root logger would have it said twice


def _early(args: Sequence[str]) -> argparse.Namespace:
    """The flags that decide where defaults come from."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", default=None)
    parser.add_argument("--checkpoint", default=None)
    parser.add_argument("--init-from", "--init_from", default=None)
    parser.add_argument("--task", default="")
    parser.add_argument("--algorithm", default="")
    parser.add_argument("--runs-dir", "--runs_dir", default="")
    parser.add_argument("--print-config", "--print_config", action="store_true")
    try:
        early, _ = parser.parse_known_args(list(args))
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from None
    a_run = "latest, best, or a run"
    for flag, valid in {"config": "a YAML file", "checkpoint": a_run, "init-from": a_run}.items():
        if getattr(early, flag.replace("-", "_")) == "":
            raise UsageError(f"--{flag} is empty; valid: {valid}")
    return early


def fields_of(config: Config, kind: type[Config]) -> Config:
    """The part of a command's configuration that is a `kind`, the task's and engines' with it."""
    full_kind = config_type(config.task, kind, config.algorithm)
    return full_kind(**{f.name: getattr(config, f.name) for f in dataclasses.fields(full_kind)})
