"""What the command lines share: configuration from files and flags, errors in one line, code 2."""

import argparse
import dataclasses
import gc
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from screwpush_jax import checkpoint
from screwpush_jax.build import differences
from screwpush_jax.checkpoint import Found
from screwpush_jax.config import Config, from_tree, load_yaml, parse
from screwpush_jax.device import use_device
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.paths import check_run_path, check_runs_dir, expand
from screwpush_jax.stopping import drop_output
from screwpush_jax.tasks.task import StartsError
from sim import registry
from sim.errors import DeviceLostError, SimError

T = TypeVar("T", bound=Config)

_ISAACGYM = (
    "substeps",
    "position_iterations",
    "velocity_iterations",
    "contact_offset_m",
    "rest_offset_m",
    "bounce_threshold_m_s",
    "max_depenetration_m_s",
    "max_gpu_contact_pairs",
    "buffer_multiplier",
    "stiffness_scale",
    "damping_scale",
)
OF_A_RUN = (
    *("task", "sim", "num_envs", "seed", "fast_compile"),
    *("total_env_steps", "max_minutes", "checkpoint_every", "keep_checkpoints"),
    *("scene", "separate", "goal", "ppo", "eval", "mujoco_warp", "mujoco.solver_iterations"),
    *(f"isaacgym.{name}" for name in _ISAACGYM),
)
"""What a checkpoint may set, fields and whole sections."""


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Calls `main` with the command's arguments and ends with the exit code that it returns.

    A user's error is one line and exit code 2.
    """
    gc.freeze()  # modules stay: no collection need look at all of theirs again
    if isinstance(sys.stdout, io.TextIOWrapper):
        # who reads along in a pipe sees each line, and whatever the terminal cannot say is escaped
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        code = main(sys.argv[1:])
        print(end="", flush=True)
        sys.exit(code)
    except DeviceLostError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(2)  # each array and each kernel would report the device, and the last one abort
    except (UsageError, SimError, StartsError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        drop_output()
        print("error: nobody reads the output any more; it ended there", file=sys.stderr)
        sys.exit(128 + signal.SIGPIPE)


def configure(
    kind: type[T],
    args: Sequence[str],
    prog: str,
    description: str,
    checkpoint_spec: str = "",
    claim: Callable[[Path], object] | None = None,
) -> tuple[T, Found | None]:
    """Defaults, under the checkpoint's configuration, under `--config`, under flags; checked.

    `checkpoint_spec` is what `--checkpoint` is when it is not given; empty for none. Whoever goes on
    with a run gives `claim`, which is called with its folder before its checkpoint is chosen.

    Raises:
      UsageError, SimError: before anything is written.
    """
    early = _early(args)
    known: T = kind()
    found = None
    old = known
    spec = early.checkpoint or checkpoint_spec
    if spec and not {"-h", "--help"} & set(args):
        file = load_yaml(Path(early.config), kind, known) if early.config else known
        runs_dir = expand(early.runs_dir or file.runs_dir, "runs-dir")
        found = checkpoint.find(spec, runs_dir, early.task or file.task, claim)
        old = _of_checkpoint(kind, found, known)
        known = of_run(old, kind())
    if early.config:
        known = load_yaml(Path(early.config), kind, known)
    config = parse(kind, args, known, prog, description)
    config.check()
    if claim is not None:
        check_runs_dir(config.runs_path)
        check_run_path(config.runs_path / config.task / config.name)
    if found and claim is not None and config.sim == "auto":
        config = dataclasses.replace(config, sim=found.meta["engine"])  # it goes on where it was
    print(f"device {use_device(config)}")
    if found:
        _check_fits(config, found, old)
    return config, found


def of_run(old: T, default: T) -> T:
    """`default` with what a checkpoint may set: what was learned and how, nothing of a machine's.

    A checkpoint may come from anywhere: it names no program, no folder and no service.
    """
    tree: dict[str, Any] = {}
    for path in OF_A_RUN:
        *sections, name = path.split(".")
        here, value = tree, old
        for section in sections:
            here, value = here.setdefault(section, {}), getattr(value, section)
        here[name] = getattr(value, name)
    return _replaced(default, tree)


def _replaced(section: Any, tree: dict[str, Any]) -> Any:
    values = {
        name: _replaced(getattr(section, name), value) if isinstance(value, dict) else value
        for name, value in tree.items()
    }
    return dataclasses.replace(section, **values)


def is_of_a_run(path: str) -> bool:
    """Whether a field, such as `mujoco.solver_iterations`, is a run's and not a machine's."""
    return any(path == known or path.startswith(f"{known}.") for known in OF_A_RUN)


def machine_flags(config: Config) -> list[str]:
    """The flags that say again what this configuration sets and no checkpoint brings."""
    plain = dataclasses.replace(config, name="", runs_dir=Config.runs_dir)
    return list(_flags_between(of_run(plain, Config()), plain, ""))


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
    for name in ("sim", "screwpush_jax"):  # what an engine or a task has to say about itself
        log = logging.getLogger(name)
        log.addHandler(logging.StreamHandler(sys.stdout))
        log.setLevel(logging.INFO)
        log.propagate = False  # a library that sets up the root logger would have it said twice


def _early(args: Sequence[str]) -> argparse.Namespace:
    """The flags that decide where defaults come from."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", default=None)
    parser.add_argument("--checkpoint", default=None)
    parser.add_argument("--task", default="")
    parser.add_argument("--runs-dir", "--runs_dir", default="")
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
