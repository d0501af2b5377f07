"""Metrics on disk: the run's own JSONL file, and TensorBoard's."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from screwpush_jax.config import Config
from screwpush_jax.event_file import EventFile
from screwpush_jax.loggers.metrics_file import JsonLines
from screwpush_jax.loggers.provenance import hyperparameters, texts
from screwpush_jax.run_folder import METRICS_FILE
from screwpush_jax.side_products import attempt, reason, say


class Logger(Protocol):
    """One place where metrics go. Each call may raise anything."""

    def write(self, iteration: int, env_steps: int, metrics: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class Loggers:
    """The files of one run that metrics go to. A resumed run appends.

    None of them can end a run: one that fails is said in one line and left out from then on.
    """

    def __init__(
        self,
        run_dir: Path,
        config: Config,
        env_steps_done: int = 0,
        engine: str = "",
        compared: Sequence[str] = (),
    ):
        """`env_steps_done`: where the run goes on; what was logged of later steps is superseded.

        TensorBoard's table of hyper-parameters shows the options of `engine`, and the metrics that
        are named in `compared`.
        """
        starts: dict[str, Callable[[], Logger]] = {
            METRICS_FILE: lambda: JsonLines(run_dir / METRICS_FILE)
        }
        if "tensorboard" in config.log.to:
            starts["TensorBoard"] = lambda: _event_file(
                run_dir, config, env_steps_done, engine, compared
            )
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


def _event_file(
    run_dir: Path, config: Config, env_steps_done: int, engine: str, compared: Sequence[str]
) -> EventFile:
    file = EventFile(run_dir / "tensorboard", env_steps_done)
    file.describe(hyperparameters(config, engine), compared, texts(config, engine))
    return file
