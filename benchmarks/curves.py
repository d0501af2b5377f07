"""Learning curves of several benchmarks beside each other: `python -m benchmarks.curves learning grpo`.

Reads what `benchmarks.learning` has written under each `--name`: success of the episodes that ended in training,
over the seconds of training and over control steps, which are spread evenly over a run's seconds.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmarks import record
from benchmarks.settings import parse
from screwpush_jax import cli, pictures
from screwpush_jax.errors import UsageError

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Args:
    """What to draw."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Names of the files."""
    results: Path = Path("benchmarks/results")
    """Folder of the files."""
    out: Path = Path("docs/results/curves.png")
    """The picture."""


def main(args: Args) -> None:
    """Raises UsageError: there are no such files."""
    end = "_curves.jsonl"
    known = sorted(path.name.removesuffix(end) for path in args.results.glob(f"*{end}"))
    if unknown := [name for name in args.names if name not in known]:
        raise UsageError(f"{unknown[0]!r} has no curves; valid: {', '.join(known)}")
    draw({name: curves(args.results, name) for name in args.names}, args.out)
    print(f"picture {args.out}")


def curves(results: Path, name: str) -> list[Row]:
    """Of each run its curve, with `steps_per_s`; both files have the same order."""
    rows, lines = (record.read(results / f"{name}{end}.jsonl") for end in ("", "_curves"))
    return [
        line | {"steps_per_s": row["env_steps"] / row["train_s"]}
        for row, line in zip(rows, lines, strict=True)
    ]


def draw(found: dict[str, Sequence[Row]], path: Path) -> None:
    """A colour for each benchmark, a line for each run."""

    def paint(figure) -> None:
        figure.set_layout_engine("constrained")
        by_time, by_steps = figure.subplots(2, sharey=True)
        for number, (name, runs) in enumerate(found.items()):
            for index, run in enumerate(runs):
                style = {"color": f"C{number}", "lw": 1, "label": name if index == 0 else None}
                by_time.plot(run["s"], run["success_once"], **style)
                steps = [1e-6 * s * run["steps_per_s"] for s in run["s"]]
                by_steps.plot(steps, run["success_once"], **style)
        by_time.set(xlabel="training time (s)", ylabel="success of ended episodes", ylim=(0, 1.01))
        by_steps.set(xlabel="control steps (million)", ylabel="success of ended episodes")
        for axes in (by_time, by_steps):
            axes.grid(alpha=0.3)
        by_time.legend()

    pictures.draw(path, (7, 7), paint)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv, __doc__)))
