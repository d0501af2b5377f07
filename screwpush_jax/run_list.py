"""What is known of each run on disk, without building or loading anything of it."""

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from screwpush_jax import checkpoint_folder, eval_file, run_folder
from screwpush_jax.errors import CheckpointError
from screwpush_jax.run_folder import METRICS_FILE
from screwpush_jax.score import Score

_TAIL_BYTES = 1 << 16


class RunRow(NamedTuple):
    """One run; None where nothing says it."""

    task: str
    name: str
    """Of its folder."""
    engine: str | None
    score: Score | None
    """Success rate, and in `source` of which episodes: those of training, or the engine and the
    physics of an evaluation with the run's own settings."""
    steps: int | None
    """Control steps that were trained."""
    age_s: float | None
    """Since it was last saved or logged."""
    size_bytes: int
    """On disk."""
    process: int | None
    """The number of the one that trains it now."""


def rows(runs_dir: Path, task: str, say: Callable[[str], None]) -> Iterator[RunRow]:
    """The runs of a folder of runs, by task and time; of one task if `task` names one.

    What is no run, or cannot be read, is told by `say` in one line each.

    Raises:
      OSError: the folder cannot be read.
    """
    for task_dir in sorted(p for p in runs_dir.iterdir() if p.is_dir()):
        if task in ("", task_dir.name):
            try:
                runs = run_folder.runs(task_dir)
            except OSError as error:
                say(f"{task_dir}: {error.strerror}")
                continue
            if not runs:
                say(f"{task_dir}: no runs in it")
            for run_dir in runs:
                if (row := _row(run_dir, say)) is not None:
                    yield row


def _row(run_dir: Path, say: Callable[[str], None]) -> RunRow | None:
    steps, metrics = run_folder.steps(run_dir), run_dir / METRICS_FILE
    try:
        if not steps and not metrics.is_file():
            say(f"{run_dir}: no run, for there is neither a checkpoint nor {METRICS_FILE}")
            return None
        logged = _last_row(metrics)
    except OSError as error:
        say(f"{run_dir}: {error.strerror}")
        return None
    engine = None
    if steps:
        try:
            engine = str(checkpoint_folder.find_in(run_dir, best=False).meta["engine"])
        except CheckpointError as error:
            say(f"{run_dir}: {error}")
    trained = [*steps[-1:], *([logged["env_steps"]] if logged else [])]
    return RunRow(
        task=run_dir.parent.name,
        name=run_dir.name,
        engine=engine,
        score=_score(run_dir, steps),
        steps=max(trained, default=None),
        age_s=_age_s(run_dir, steps),
        size_bytes=size_on_disk(run_dir),
        process=run_folder.trainer(run_dir),
    )


def _score(run_dir: Path, steps: list[int]) -> Score | None:
    """Of an evaluation with the run's own settings, else of the best checkpoint."""
    if (one := eval_file.own_result(run_dir)) is not None:
        source = " ".join(filter(None, (one.engine, one.physics)))
        return Score(one.success, one.success_low, one.episodes, source)
    scores = [score for step in steps if (score := checkpoint_folder.score_of(run_dir, step))]
    return max(scores, key=lambda score: score.low, default=None)


def _age_s(run_dir: Path, steps: list[int]) -> float | None:
    """By what the newest checkpoint says, for a copy is as old as the original; else by the log's."""
    saved_at_s = checkpoint_folder.saved_at_s(run_dir, steps[-1]) if steps else None
    if saved_at_s is None or run_folder.trainer(run_dir) is not None:
        try:
            saved_at_s = (run_dir / METRICS_FILE).stat().st_mtime
        except OSError:
            return None
    return max(0.0, time.time() - saved_at_s)


def _last_row(metrics: Path) -> dict[str, Any] | None:
    """The last line that says how many steps there were; None if none at the end does."""
    if not metrics.is_file():
        return None
    with metrics.open("rb") as file:
        file.seek(max(0, metrics.stat().st_size - _TAIL_BYTES))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("env_steps"), int):
            return row
    return None


def size_on_disk(folder: Path) -> int:
    """Bytes that its files occupy; what cannot be read counts as nothing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                found = os.lstat(os.path.join(where, name))
            except OSError:
                continue
            total += 512 * found.st_blocks if stat.S_ISREG(found.st_mode) else 0
    return total
