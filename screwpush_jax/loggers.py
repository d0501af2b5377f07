"""Metrics on disk (JSONL, TensorBoard) and, if asked for, at Weights & Biases or SwanLab."""

import importlib
import json
from pathlib import Path
from typing import Any

from screwpush_jax.config import Config, to_tree
from screwpush_jax.errors import UsageError

METRICS_FILE = "metrics.jsonl"
_EXTRAS = ("wandb", "swanlab")


class Loggers:
    """Every back end of one run. A resumed run appends."""

    def __init__(self, run_dir: Path, config: Config):
        # not at the top: it imports torch where there is one, which takes seconds
        from tensorboardX import SummaryWriter

        self._jsonl = (run_dir / METRICS_FILE).open("a", buffering=1)
        self._tensorboard = SummaryWriter(str(run_dir / "tensorboard"), flush_secs=10)
        self._online = [
            _start(name, run_dir, config) for name in _EXTRAS if getattr(config.log, name)
        ]

    def write(self, iteration: int, env_steps: int, metrics: dict[str, float]) -> None:
        """One row: metrics by name at a number of environment steps."""
        row = {"iteration": iteration, "env_steps": env_steps, **metrics}
        self._jsonl.write(json.dumps(row) + "\n")
        for name, value in metrics.items():
            self._tensorboard.add_scalar(name, value, env_steps)
        for backend in self._online:
            backend.log(metrics, step=env_steps)

    def close(self) -> None:
        self._jsonl.close()
        self._tensorboard.close()
        for backend in self._online:
            backend.finish()


def check_installed(config: Config) -> None:
    """Raises UsageError for a logger that was asked for and is not installed."""
    for name in _EXTRAS:
        if getattr(config.log, name):
            try:
                importlib.import_module(name)
            except ImportError:
                raise UsageError(
                    f"--log.{name} needs the package {name}: pip install 'screwpush-jax[{name}]'"
                ) from None


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of a run's JSONL file; of an iteration that was done again, the newest."""
    lines = (run_dir / METRICS_FILE).read_text().splitlines()
    rows = (json.loads(line) for line in lines if line.strip())
    newest = {row["iteration"]: row for row in rows}
    return [newest[iteration] for iteration in sorted(newest)]


def _start(name: str, run_dir: Path, config: Config) -> Any:
    """Both services offer the same `init`, `log` and `finish`."""
    module = importlib.import_module(name)
    module.init(project=config.log.project, name=run_dir.name, config=to_tree(config))
    return module
