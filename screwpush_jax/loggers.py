"""Metrics on disk (JSONL, TensorBoard) and, if asked for, at Weights & Biases or SwanLab."""

import contextlib
import importlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from screwpush_jax.config import Config, to_tree
from screwpush_jax.errors import UsageError
from screwpush_jax.event_file import EventFile
from screwpush_jax.files import to_json
from screwpush_jax.run_folder import METRICS_FILE
from screwpush_jax.side_products import attempt, reason, say

_EXTRAS = ("wandb", "swanlab")


class Logger(Protocol):
    """One place where metrics go. Each call may raise anything."""

    def write(self, iteration: int, env_steps: int, metrics: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class Loggers:
    """Every logger of one run. A resumed run appends.

    None of them can end a run: one that fails is said in one line and left out from then on.
    """

    def __init__(self, run_dir: Path, config: Config, env_steps_done: int = 0):
        """`env_steps_done`: where the run goes on; what was logged of later steps is superseded."""
        starts: dict[str, Callable[[], Logger]] = {
            METRICS_FILE: lambda: _JsonLines(run_dir / METRICS_FILE),
            "TensorBoard": lambda: EventFile(run_dir / "tensorboard", env_steps_done),
        }
        for name in _EXTRAS:
            if getattr(config.log, name):
                starts[name] = lambda name=name: _Online(name, run_dir, config)
        self._loggers: dict[str, Logger] = {}
        for name, start in starts.items():
            with attempt(f"no metrics go to {name}"):
                self._loggers[name] = start()

    def write(self, iteration: int, env_steps: int, metrics: dict[str, float]) -> None:
        """One row: metrics by name at a number of environment steps."""
        for name, logger in list(self._loggers.items()):
            try:
                logger.write(iteration, env_steps, metrics)
            except (Exception, SystemExit) as error:
                say(f"no more metrics go to {name}: {reason(error)}")
                del self._loggers[name]
                with contextlib.suppress(Exception, SystemExit):
                    logger.close()

    def close(self) -> None:
        """Writes what is left. May be called again."""
        while self._loggers:
            name, logger = self._loggers.popitem()
            with attempt(f"the last metrics may be missing in {name}"):
                logger.close()


class _JsonLines:
    """The run's own file, one JSON object a line; the one that everything is read back from."""

    def __init__(self, path: Path):
        _mend_end(path)
        self._file = path.open("ab")

    def write(self, iteration: int, env_steps: int, metrics: dict[str, float]) -> None:
        row = {"iteration": iteration, "env_steps": env_steps, **metrics}
        self._file.write(to_json(row).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Online:
    """Both services offer the same `init`, `log` and `finish`."""

    def __init__(self, name: str, run_dir: Path, config: Config):
        self._module: Any = importlib.import_module(name)
        self._module.init(project=config.log.project, name=run_dir.name, config=to_tree(config))

    def write(self, iteration: int, env_steps: int, metrics: dict[str, float]) -> None:
        del iteration
        self._module.log(metrics, step=env_steps)

    def close(self) -> None:
        self._module.finish()


def check_installed(config: Config) -> None:
    """Raises UsageError for a logger that was asked for and cannot be used."""
    for name in _EXTRAS:
        if getattr(config.log, name):
            hint = f"pip install 'screwpush-jax[{name}]', or --log.no-{name}"
            try:
                module = importlib.import_module(name)
            except ImportError:
                raise UsageError(f"--log.{name} needs the package {name}: {hint}") from None
            except Exception as error:
                raise UsageError(
                    f"--log.{name}: the package {name} is broken ({reason(error)}): {hint}"
                ) from None
            if not hasattr(module, "init"):  # a folder of that name is a package to Python
                raise UsageError(f"--log.{name} needs the package {name}: {hint}")


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of a run's JSONL file by rising iteration; a value that is no number is left out.

    A row takes the place of all earlier ones from its iteration on: a run that was killed goes on
    from its last checkpoint, and what came after that is done again. How many lines cannot be read
    is said.

    Raises:
      OSError: there is no such file, or it cannot be read.
    """
    rows: list[dict[str, Any]] = []
    damaged = 0
    for line in (run_dir / METRICS_FILE).read_bytes().splitlines():
        row = _parse(line)
        if row is None:
            damaged += bool(line.strip())
            continue
        while rows and rows[-1]["iteration"] >= row["iteration"]:
            rows.pop()
        rows.append(row)
    if damaged:
        say(f"{run_dir / METRICS_FILE}: {damaged} damaged line(s) left out")
    return rows


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    row = {name: value for name, value in row.items() if _is_number(value)}
    return row if {"iteration", "env_steps"} <= row.keys() else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _mend_end(path: Path) -> None:
    """Ends the last line of a file whose writer was killed; a torn one is cut off."""
    if not path.is_file():
        return
    text = path.read_bytes()
    end = text.rfind(b"\n") + 1
    if end == len(text):
        return
    if _parse(text[end:]) is not None:
        with path.open("ab") as file:
            file.write(b"\n")
    else:
        with path.open("r+b") as file:
            file.truncate(end)
