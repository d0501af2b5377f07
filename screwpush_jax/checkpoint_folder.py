"""The folder of a checkpoint: where to find one, and what it says without its arrays."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from screwpush_jax import migrate, run_folder
from screwpush_jax.errors import CheckpointError
from screwpush_jax.files import write_atomically
from screwpush_jax.paths import check_run_path
from screwpush_jax.run_folder import CHECKPOINTS
from screwpush_jax.score import Score

FORMAT = 3
"""Raised when what a run needs to go on is laid out anew; the learner of an older one is still read."""
_LAST_VERSION = {1: "0.1.0", 2: "0.2.0"}
"""The version that goes on with runs of an older format."""
_META = {"format", "config", "counters", "engine", "task", "obs_layout", "t"}


@dataclasses.dataclass(frozen=True)
class Found:
    """A checkpoint on disk: its run's folder, its step, and its JSON part."""

    run_dir: Path
    step: int
    meta: dict[str, Any]


def find(
    spec: str, runs_dir: Path, task: str, claim: Callable[[Path], object] | None = None
) -> Found:
    """The checkpoint that `spec` names: latest, best, a run's name or folder, or a step's folder.

    `claim` is called with the run's folder before its checkpoint is chosen: whoever goes on with a
    run keeps others away first, or it may be saved anew in between.

    Raises:
      CheckpointError: there is none, or it cannot be read.
    """
    step = None
    if spec in ("latest", "best"):
        run_dir = _newest_run(spec, runs_dir / task)
    else:
        run_dir, step = run_folder.named(spec, runs_dir / task)
    check_run_path(run_dir)
    if claim is not None:
        claim(run_dir)
    if step is not None:
        return _open(run_dir / CHECKPOINTS / str(step))
    return find_in(run_dir, best=spec == "best")


def find_in(run_dir: Path, best: bool) -> Found:
    """The best or the newest checkpoint of one run. Errors as `find`."""
    known = run_folder.steps(run_dir)
    if not known:
        raise CheckpointError(f"the run {run_dir} has no checkpoint")
    if best:
        scores = {step: score_of(run_dir, step) for step in known}
        known.sort(key=lambda step: (one.low if (one := scores[step]) else -math.inf, step))
    return _open(run_dir / CHECKPOINTS / str(known[-1]))


def at_step(run_dir: Path, step: str) -> Found:
    """The checkpoint of one run at `step`. Errors as `find`."""
    return _open(run_dir / CHECKPOINTS / step)


def rescore(found: Found, score: Score) -> None:
    """Ranks a checkpoint by another score than the one that it was saved with.

    Raises:
      OSError: it cannot be written; the old one stands.
    """
    path = found.run_dir / CHECKPOINTS / str(found.step) / "metrics" / "metrics"
    write_atomically(path, json.dumps(dataclasses.asdict(score)))


def _newest_run(spec: str, task_dir: Path) -> Path:
    """The run that was saved last, by what its checkpoints say: a copy is as old as the original.

    Of a run and its copies the one that still has the name under which it was saved.
    """
    found = [p for p in run_folder.runs(task_dir) if run_folder.steps(p)]
    if not found:
        raise CheckpointError(f"--checkpoint {spec}: no run with a checkpoint in {task_dir}")

    def age(run_dir: Path) -> tuple[int, bool]:
        step_dir = run_dir / CHECKPOINTS / str(run_folder.steps(run_dir)[-1])
        return _saved_at_ns(step_dir), _read_json(_meta(step_dir)).get("run") == run_dir.name

    return max(found, key=age)


def _saved_at_ns(step_dir: Path) -> int:
    """When Orbax finished writing it."""
    stamp = _read_json(step_dir / "_CHECKPOINT_METADATA").get("commit_timestamp_nsecs")
    return stamp if isinstance(stamp, int) else 0


def _read_json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _meta(step_dir: Path) -> Path:
    return step_dir / "meta" / "metadata"


def score_of(run_dir: Path, step: int) -> Score | None:
    """What the checkpoint at `step` is rated by; None where nothing that can be read says so."""
    path = run_dir / CHECKPOINTS / str(step) / "metrics" / "metrics"
    try:
        return Score.from_json(_read_json(path))
    except (ValueError, KeyError, TypeError):
        return None


def saved_at_s(run_dir: Path, step: int) -> float | None:
    """When the checkpoint at `step` was written, in seconds of the epoch; None if it does not say."""
    return 1e-9 * _saved_at_ns(run_dir / CHECKPOINTS / str(step)) or None


def _open(step_dir: Path) -> Found:
    meta = _read_json(_meta(step_dir))
    readable = (*_LAST_VERSION, FORMAT)
    if meta.get("format", FORMAT) not in readable:
        valid = ", ".join(map(str, readable))
        raise CheckpointError(
            f"checkpoint {step_dir} has format {meta['format']!r}; valid: {valid}"
        )
    if not meta.keys() >= _META:
        raise CheckpointError(
            f"checkpoint {step_dir} is incomplete or damaged; valid: {_others(step_dir)}"
        )
    config = meta["config"]
    meta["config"] = migrate.config_of_today(config) if isinstance(config, dict) else {}
    return Found(step_dir.parent.parent, int(step_dir.name), meta)


def check_goes_on(found: Found) -> None:
    """Raises CheckpointError if a run of the checkpoint's format cannot go on in this version."""
    kept = found.meta["format"]
    if kept != FORMAT:
        raise CheckpointError(
            f"checkpoint {found.run_dir / CHECKPOINTS / str(found.step)} has format {kept}: its run"
            f" goes on in version {_LAST_VERSION[kept]} of screwpush-jax; here it can be evaluated and"
            " played"
        )


def processes(found: Found) -> int:
    """How many processes trained together when the checkpoint was saved."""
    return int(found.meta["config"].get("num_gpus", 1))


def stages(found: Found) -> int:
    """In how many stages each process stepped its environments when the checkpoint was saved."""
    return int(found.meta["config"].get("pipeline_stages", 1))


def _others(step_dir: Path) -> str:
    good = [p for p in step_dir.parent.glob("*") if p != step_dir and (p / "meta").is_dir()]
    return ", ".join(sorted(str(p) for p in good)) or "no other checkpoint in that run"
