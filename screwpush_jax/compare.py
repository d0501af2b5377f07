"""Overlays the curves of runs: `python -m screwpush_jax.compare RUN RUN ...`."""

import dataclasses
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from annotated_types import MinLen

from screwpush_jax import cli, comparison, comparison_picture, plugins, run_data
from screwpush_jax.comparison import Group
from screwpush_jax.comparison_picture import SUCCESS
from screwpush_jax.config import Config
from screwpush_jax.errors import UsageError
from screwpush_jax.files import to_json
from screwpush_jax.flags import parse
from screwpush_jax.paths import expand
from screwpush_jax.run_data import Run
from screwpush_jax.side_products import reason
from screwpush_jax.text_table import text_table


@dataclasses.dataclass(frozen=True)
class CompareArgs:
    """What is compared, and where the picture goes."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Folders or names of runs; those that differ in nothing but their seeds are one curve."""
    runs_dir: Annotated[str, MinLen(1)] = Config.runs_dir
    """Folder of all runs, for names."""
    metrics: tuple[str, ...] = (SUCCESS, "env/return")
    """What is drawn: names of metrics.jsonl, or success for the rate that the task is judged by."""
    output: str = ""
    """Picture that does not exist yet; by default compare.png here, with a number if that exists."""
    json: bool = False
    """Print JSON instead of tables."""


def main(argv: Sequence[str]) -> None:
    prog = "python -m screwpush_jax.compare"
    args = parse(CompareArgs, argv, CompareArgs(), prog, __doc__ or "")
    plugins.load()
    output = _output(args.output)
    groups = comparison.group(list(_runs(args.runs, expand(args.runs_dir, "runs-dir"))))
    if not groups:
        raise UsageError("nothing to compare; valid: folders or names of runs")
    _check_metrics(args.metrics, groups)
    names = {group.label: _name(group) for group in groups}
    try:
        comparison_picture.draw(output, groups, names, args.metrics)
    except Exception as error:  # matplotlib's own, a full disk
        raise UsageError(f"{output} cannot be drawn: {reason(error)}") from error
    changed = comparison.differences(groups)
    if args.json:
        print(to_json({"picture": str(output), "groups": _tree(groups), "settings": changed}, 1))
        return
    folders = ([g.label, ", ".join(run.folder.name for run in g.runs)] for g in groups)
    print(text_table(["", "runs"], folders), end="\n\n")
    print(text_table(["", *names], _figures(groups)), end="\n\n")
    if changed:
        print(text_table(["setting", *names], _settings(changed)))
    else:
        print("no setting differs but the seed" if len(groups[0].runs) > 1 else "there is one run")
    print(f"\nwritten to {output}")


def _runs(specs: Sequence[str], runs_dir: Path) -> Iterator[Run]:
    """Those that can be read, each once; what is wrong with another is told in one line."""
    seen = set()
    for spec in specs:
        try:
            folder = run_data.find(spec, runs_dir)
            if folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield run_data.load(folder)
        except (UsageError, OSError) as error:
            print(f"left out: {error}", file=sys.stderr)


def _check_metrics(metrics: Sequence[str], groups: Sequence[Group]) -> None:
    known = {name for group in groups for run in group.runs for row in run.rows for name in row}
    if unknown := [name for name in metrics if name not in known | {SUCCESS}]:
        valid = ", ".join([SUCCESS, *sorted(known - {"iteration", "env_steps"})])
        raise UsageError(f"--metrics {' '.join(unknown)}: no run has it; valid: {valid}")
    if not metrics:
        raise UsageError(f"--metrics: none; valid: {SUCCESS}, or names of metrics.jsonl")


def _name(group: Group) -> str:
    """The runs of a group and their seeds in a few words."""
    first, count = group.runs[0], len(group.runs)
    seeds = ", ".join(str(run.seed) for run in group.runs)
    if count == 1:
        return f"{group.label}: {first.folder.name} (seed {seeds})"
    return f"{group.label}: {first.name} and {count - 1} more (seeds {seeds})"


def _figures(groups: Sequence[Group]) -> Iterator[list[str]]:
    """What came of the groups' runs, from the lowest to the highest of each."""

    def span(values: Sequence[float], form: str) -> str:
        texts = [format(x, form) for x in (min(values), max(values))] if values else ["-"]
        return " to ".join(dict.fromkeys(texts))

    def spans(name: str, of: Any, form: str) -> list[str]:
        values = [[x for run in group.runs if (x := of(run)) is not None] for group in groups]
        return [name, *(span(x, form) for x in values)]

    yield ["runs", *(str(len(group.runs)) for group in groups)]
    yield spans("control steps", lambda run: run.rows[-1]["env_steps"] if run.rows else None, ",")
    yield spans("training s", _seconds, ",.0f")
    yield spans("success, evaluated", lambda r: r.evaluated and r.evaluated.success, ".2%")
    yield spans("at least (95 %)", lambda r: r.evaluated and r.evaluated.success_low, ".2%")
    yield ["seen in", *(", ".join(dict.fromkeys(map(_seen_in, g.runs))) for g in groups)]


def _seen_in(run: Run) -> str:
    one = run.evaluated
    return "-" if one is None else f"{one.engine} {one.physics}".rstrip()


def _seconds(run: Run) -> float | None:
    return 1e-3 * sum(row.get("perf/iteration_ms", 0.0) for row in run.rows) if run.rows else None


def _settings(changed: dict[str, list[Any]]) -> Iterator[list[str]]:
    for name, values in changed.items():
        yield [name, *("-" if v is None else _plain(v) for v in values)]


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _tree(groups: Sequence[Group]) -> dict[str, Any]:
    return {
        group.label: [
            {
                "folder": str(run.folder),
                "seed": run.seed,
                "env_steps": run.rows[-1]["env_steps"] if run.rows else None,
                "training_s": _seconds(run),
                "success_rate": run.evaluated and run.evaluated.success,
                "success_low": run.evaluated and run.evaluated.success_low,
            }
            for run in group.runs
        ]
        for group in groups
    }


def _output(asked: str) -> Path:
    """The picture's path. Raises UsageError for a bad name, or a file that exists."""
    if not asked:
        numbers = itertools.chain([""], (f"-{n}" for n in itertools.count(2)))
        return next(p for n in numbers if not (p := Path(f"compare{n}.png")).exists())
    path = expand(asked, "output")
    if path.suffix != ".png":
        raise UsageError(f"--output {asked}; valid: a name that ends in .png")
    if path.exists():
        raise UsageError(f"--output {asked}: it exists; take another name")
    return path


if __name__ == "__main__":
    cli.run(main)
