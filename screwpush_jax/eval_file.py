"""Results of evaluations beside the run, none of which takes the place of another."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from screwpush_jax import video
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config, to_tree
from screwpush_jax.evaluation import Result
from screwpush_jax.field_kinds import of_a_run
from screwpush_jax.files import to_json, write_atomically
from screwpush_sim.physics import Name


def write(
    config: Config, found: Found, engine: str, physics: Name, results: Mapping[str, Result]
) -> Path:
    """Writes the results and what they were found with; the file's path.

    `eval-<step>-<engine>.json` is for the run's own settings and the physics `eval`; another physics
    stands behind the engine, and names end in a hash of what else was different. A file that was made
    with other settings is never written over.

    Raises:
      OSError: the file cannot be written; what was there is as it was.
    """
    made_with = {
        "step": found.step,
        "engine": engine,
        "physics": physics,
        "seed": config.eval.seed,
        "episodes": config.eval.episodes,
        "settings": changed_settings(config, found, engine),
    }
    rows = {name: result.row() for name, result in results.items()}
    path = next(p for p in _names(found.run_dir, made_with) if _may_take(p, made_with))
    write_atomically(path, to_json(made_with | rows, indent=1) + "\n")
    return path


def video_folder(results_file: Path, step: int, engine: str, physics: str) -> Path:
    """Where the videos of the episodes of these results lie: `videos/eval-<step>-<engine>-<physics>`.

    The hash that a results' file has for its settings ends that name, too.
    """
    where = f"eval-{step}-{engine}"
    rest = results_file.stem.removeprefix(where).removeprefix(f"-{physics}")
    return results_file.parent / video.FOLDER / f"{where}-{physics}{rest}"


_RATES = ("rate", "low", "high")


class Stored(NamedTuple):
    """What a file of results says of the learned policy; a text is empty where it says nothing."""

    path: Path
    step: int
    engine: str
    physics: str
    settings: dict[str, Any]
    """What differed from training."""
    episodes: int
    success: float
    success_low: float
    success_high: float


def stored(run_dir: Path) -> list[Stored]:
    """The results that lie in a run's folder, by step and name; a file that holds none is left out."""
    found = []
    for path in run_dir.glob("eval-*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            tree = json.loads(path.read_bytes())
            learned = tree["learned"]
            rate, low, high = (float(learned[f"success_{name}"]) for name in _RATES)
            engine, physics = str(tree["engine"]), str(tree.get("physics", ""))
            settings, step = dict(tree["settings"]), int(tree["step"])
            count = int(learned["episodes"])
            found.append(Stored(path, step, engine, physics, settings, count, rate, low, high))
    return sorted(found, key=lambda one: (one.step, one.path.name))


def own_result(run_dir: Path) -> Stored | None:
    """The newest checkpoint's that was found with the run's own settings, in the physics `eval` if any
    was; None if there is none."""
    own = [one for one in stored(run_dir) if not one.settings]
    return max(own, key=lambda one: (one.physics in ("", "eval"), one.step), default=None)


def changed_settings(config: Config, found: Found, engine: str) -> dict[str, Any]:
    """What decides figures and differs from the checkpoint's own configuration, by flag.

    That is the task's options, the engine's, and the evaluation itself; how fast and where it is
    computed changes rounding only.
    """
    sections = ("env", engine, "eval")
    own = dict(_flat(to_tree(type(config)()))) | dict(_flat(found.meta["config"]))
    counted = of_a_run(config)
    return {
        name: value
        for name, value in _flat(to_tree(config))
        if name.split(".")[0] in sections and name in counted and value != own.get(name)
    }


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _names(run_dir: Path, made_with: Mapping[str, Any]) -> Iterator[Path]:
    """Where these results may go, the best name first."""
    stem = f"eval-{made_with['step']}-{made_with['engine']}"
    if made_with["physics"] != "eval":
        stem += f"-{made_with['physics']}"
    if not made_with["settings"]:
        yield run_dir / f"{stem}.json"
    digest = hashlib.sha256(to_json(made_with).encode()).hexdigest()[:8]
    yield run_dir / f"{stem}-{digest}.json"
    number = 2
    while True:
        yield run_dir / f"{stem}-{digest}-{number}.json"
        number += 1


def _may_take(path: Path, made_with: Mapping[str, Any]) -> bool:
    """Whether nothing is there, or results that were found in just the same way."""
    try:
        there = json.loads(path.read_bytes())
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    same = to_json(made_with)
    return isinstance(there, dict) and same == to_json({k: there.get(k) for k in made_with})
