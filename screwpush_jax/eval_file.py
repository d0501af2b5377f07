"""Results of evaluations beside the run, none of which takes the place of another."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from screwpush_jax.checkpoint import Found
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
