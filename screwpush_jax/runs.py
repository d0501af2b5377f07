"""Lists the runs on disk: `python -m screwpush_jax.runs`."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Annotated

from annotated_types import MinLen

from screwpush_jax import cli, run_list
from screwpush_jax.config import Config
from screwpush_jax.display import duration
from screwpush_jax.errors import UsageError
from screwpush_jax.files import to_json
from screwpush_jax.flags import parse
from screwpush_jax.paths import expand
from screwpush_jax.run_list import RunRow
from screwpush_jax.score import Score
from screwpush_jax.text_table import text_table

_HEAD = ("task", "run", "engine", "success", "seen in", "steps", "age", "size", "running")


@dataclasses.dataclass(frozen=True)
class RunsArgs:
    """What is listed, and how."""

    runs_dir: Annotated[str, MinLen(1)] = Config.runs_dir
    """Folder of all runs."""
    task: str = ""
    """Only this task's runs."""
    json: bool = False
    """A list in JSON instead of a table."""


def main(argv: Sequence[str]) -> None:
    args = parse(RunsArgs, argv, RunsArgs(), "python -m screwpush_jax.runs", __doc__ or "")
    folder = expand(args.runs_dir, "runs-dir")
    try:
        found = list(run_list.rows(folder, args.task, lambda line: print(line, file=sys.stderr)))
    except OSError as error:
        raise UsageError(
            f"--runs-dir {folder}: {error.strerror}; valid: a folder in which runs were trained"
        ) from None
    if args.json:
        rows = [row._asdict() | {"score": _of_score(row.score)} for row in found]
        print(to_json(rows, indent=1))
    elif found:
        print(text_table(_HEAD, map(_cells, found)))
    else:
        print(f"no runs in {folder}")


def _of_score(score: Score | None) -> dict[str, object] | None:
    return None if score is None else dataclasses.asdict(score)


def _cells(row: RunRow) -> list[str]:
    score = row.score
    return [
        row.task,
        row.name,
        row.engine or "?",
        "-" if score is None else f"{score.mean:.2%} (at least {score.low:.2%})",
        "-" if score is None else f"{score.source}, {score.count:,} episodes",
        "?" if row.steps is None else f"{row.steps:,}",
        "?" if row.age_s is None else duration(row.age_s),
        _size(row.size_bytes),
        "" if row.process is None else f"process {row.process}",
    ]


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


if __name__ == "__main__":
    cli.run(main)
