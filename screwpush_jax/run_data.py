"""What was learned in a run, how, and with what success, as it lies on disk.

Legend: P points of a curve.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from screwpush_jax import checkpoint_folder, eval_file, migrate, run_folder
from screwpush_jax.config import config_type_of, from_tree
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.eval_file import Stored
from screwpush_jax.field_kinds import of_a_run
from screwpush_jax.loggers import read_metrics
from screwpush_jax.tasks import registry as tasks
from screwpush_sim import registry as engines


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as it lies on disk."""

    folder: Path
    score: str
    """The metric of the task whose rate says how good a policy is."""
    seed: int
    settings: Mapping[str, Any]
    """What was learned and how, by flag; neither the seed nor what belongs to a machine."""
    rows: Sequence[Mapping[str, float]]
    evaluated: Stored | None
    """Its result with its own settings, if there is one."""

    @property
    def name(self) -> str:
        return run_folder.run_name(self.folder)

    def curve(self, metric: str, over_time: bool) -> np.ndarray:
        """`[P, 2]`: control steps, or seconds of training, and the metric where it was measured."""
        at, points = 0.0, []
        for row in self.rows:
            at += 1e-3 * row.get("perf/iteration_ms", 0.0)
            if metric in row:
                points.append((at if over_time else row["env_steps"], row[metric]))
        return np.array(points, float).reshape(-1, 2)


def find(spec: str, runs_dir: Path) -> Path:
    """The folder of the run that `spec` names: a folder, or a run's name in a folder of runs.

    Raises:
      UsageError: there is none, or there are several.
    """
    if Path(spec).is_dir():
        return Path(spec)
    folders = [p for task in _folders(runs_dir) for p in run_folder.runs(task)]
    fitting = [p for p in folders if spec in (p.name, run_folder.run_name(p))]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        said = f"{len(fitting)} runs have that name; valid: "
        raise UsageError(f"{spec}: {said}{', '.join(map(str, fitting[-5:]))}")
    known = ", ".join(p.name for p in folders[-5:]) or f"none in {runs_dir}"
    raise UsageError(f"{spec}: no such run; valid: a run's folder, or a name, such as {known}")


def _folders(runs_dir: Path) -> list[Path]:
    return sorted(p for p in runs_dir.iterdir() if p.is_dir()) if runs_dir.is_dir() else []


def load(folder: Path) -> Run:
    """Reads a run.

    Raises:
      UsageError: it is none, or its configuration cannot be read.
    """
    try:
        tree = yaml.safe_load((folder / run_folder.CONFIG_FILE).read_bytes())
        rows = read_metrics(folder)
    except OSError as error:
        raise UsageError(f"{folder}: no run that can be read ({error})") from None
    except (ValueError, yaml.YAMLError, RecursionError):
        raise UsageError(f"{folder}: its {run_folder.CONFIG_FILE} is damaged") from None
    try:
        kind = config_type_of({**tree, "task": tree["task"]})
        known = {field.name for field in dataclasses.fields(kind)}
        tree = migrate.config_of_today(tree)
        tree = {k: v for k, v in tree.items() if k in known or not isinstance(v, dict)}
        config = from_tree(tree, kind, kind())
    except (UsageError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{folder}: its {run_folder.CONFIG_FILE} does not fit this version: {error}"
        ) from None
    return Run(
        folder=folder,
        score=f"env/{tasks.find(config.task).score}",
        seed=config.seed,
        settings=_settings(of_a_run(config), _engine(folder)),
        rows=rows,
        evaluated=eval_file.own_result(folder),
    )


def _engine(folder: Path) -> str | None:
    """The engine that ran, whatever the configuration left open; None if no checkpoint says it."""
    try:
        return str(checkpoint_folder.find_in(folder, best=False).meta["engine"])
    except CheckpointError:
        return None


def _settings(values: Mapping[str, Any], engine: str | None) -> dict[str, Any]:
    """Without the seed and, where the engine is known, without the options of others."""
    others = {name for name in engines.ENGINES if engine not in (None, name)}
    kept = {k: v for k, v in values.items() if k != "seed" and k.split(".")[0] not in others}
    return kept if engine is None else kept | {"sim": engine}
