"""A policy in worlds that it was not trained in: `python -m benchmarks.robustness --checkpoint best`.

Evaluates one checkpoint, as `evaluate` does, once in each variant of its task's world (`variants.py`):
start states settle in the variant's own scene, and one thing is changed at a time. Says what ended the
failures. A variant in which nothing differs from the nominal world is not run again.
"""

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt

from benchmarks import record, variants
from benchmarks.variants import NOMINAL, Variant
from screwpush_jax import cli, pictures
from screwpush_jax.build import make_world
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import FLAG_ONLY, Config
from screwpush_jax.episodes import LEARNED
from screwpush_jax.evaluate import check_unseen, load_policy
from screwpush_jax.evaluation import Result, examine
from screwpush_jax.tasks.endings import SUCCESS
from screwpush_jax.text_table import text_table

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Args(cli.CommandArgs):
    """The run's own configuration; flags change it for this benchmark only."""

    checkpoint: Annotated[str, FLAG_ONLY] = "best"
    """latest, best, a run's name or folder, or a step's folder."""
    episodes: Annotated[int, FLAG_ONLY, Gt(0)] = 4096
    """Unseen episodes in each variant."""
    variants: Annotated[tuple[str, ...], FLAG_ONLY] = ()
    """Names of variants; all of the task's if none is given."""
    out: Annotated[str, FLAG_ONLY] = "benchmarks/results/robustness.jsonl"
    """File that rows are appended to."""
    picture: Annotated[str, FLAG_ONLY] = ""
    """Picture of the newest rows of this checkpoint; by default docs/results/robustness_<task>.png."""


def main(argv: Sequence[str]) -> None:
    prog = "python -m benchmarks.robustness"
    args, found = cli.configure(Args, argv, prog, __doc__ or "", Args.checkpoint)
    assert found is not None
    config = cli.fields_of(args, Config)
    wanted = variants.chosen(config.task, args.variants)
    check_unseen(config, found)
    changed = {name: variants.options_of(one, config.env) for name, one in wanted.items()}
    cli.announce_engine(config)
    nominal = variants.options_of(variants.VARIANTS[config.task][NOMINAL], config.env)
    rows: list[Row] = []
    for name, variant in wanted.items():
        same = changed[name] == nominal and variant.scene is variants.as_it_is
        known = next((row for row in rows if row["variant"] == NOMINAL), None)
        if same and known is not None:
            row = known | {"variant": name, "took_s": 0.0}
        else:
            row = evaluate_variant(
                dataclasses.replace(config, env=changed[name]), found, variant, args.episodes
            )
            row = {"variant": name} | row
        row = {"benchmark": "robustness"} | row
        record.write(Path(args.out), [row])
        rows.append(row)
    print(table(rows))
    path = Path(args.picture or f"docs/results/robustness_{config.task}.png")
    draw(newest(Path(args.out), rows[-1]), path)
    print(f"picture {path}")


def evaluate_variant(config: Config, found: Found, variant: Variant, episodes: int) -> Row:
    """The row of `config`, whose task's options are the variant's, without the variant's name."""
    began = time.perf_counter()
    world = make_world(config, episodes, "eval", change=variant.scene)
    try:
        policy = load_policy(config, found, world)
        result = examine(world, policy, config.eval.seed, baselines=False)[LEARNED]
        physics = world.sim.spec.scene.physics
        stepped = f"{physics.dt_s:g} s x {physics.decimation}"
        where = {"engine": world.sim.spec.engine, "stepped": stepped}
    finally:
        world.sim.close()
    took_s = time.perf_counter() - began
    return {
        "task": config.task,
        "run": found.run_dir.name,
        "step": found.step,
        "trained": found.meta["engine"],
        **where,
        **figures(result),
        "took_s": round(took_s, 1),
    }


def figures(result: Result) -> Row:
    """Success, and of the episodes what ended them and how long they were."""
    assert result.outcomes is not None
    count = Counter(result.outcomes.ended_by.tolist())
    return {
        "episodes": result.episodes,
        "success_rate": result.success_rate,
        "success_low": result.success_low,
        "success_high": result.success_high,
        "failures": {
            name: number / result.episodes
            for name, number in count.most_common()
            if name != SUCCESS
        },
        "length_median": float(np.median(result.outcomes.length)),
        "means": result.means,
    }


def newest(path: Path, like: Row) -> list[Row]:
    """The newest row of each variant in a file, of the checkpoint, engine and episodes of `like`."""
    same = ("run", "step", "task", "engine", "episodes")
    own = {
        row["variant"]: row
        for row in record.read(path)
        if all(row.get(key) == like[key] for key in same)
    }
    order = [name for name in variants.VARIANTS[like["task"]] if name in own]
    return [own[name] for name in order]


def table(rows: Sequence[Row]) -> str:
    """For people."""
    lines = [
        [
            row["variant"],
            f"{row['success_rate']:.2%}",
            f"{row['success_low']:.2%} to {row['success_high']:.2%}",
            ", ".join(f"{share:.2%} {name}" for name, share in row["failures"].items()),
            f"{row['length_median']:.0f}",
            *(f"{value:.3g}" for value in row["means"].values()),
        ]
        for row in rows
    ]
    means = [name.replace("_", " ") for name in rows[0]["means"]]
    head = ["variant", "success", "95 % interval", "failures ended by", "median steps", *means]
    return text_table(head, lines)


def draw(rows: Sequence[Row], path: Path) -> None:
    """A bar a variant: failures by what ended them, and the interval of all failures."""
    reasons = list(dict.fromkeys(name for row in rows for name in row["failures"]))
    names = [row["variant"] for row in rows]

    def paint(figure) -> None:
        figure.set_layout_engine("constrained")
        axes, left = figure.subplots(), np.zeros(len(rows))
        for reason in reasons:
            share = np.array([100 * row["failures"].get(reason, 0.0) for row in rows])
            axes.barh(names, share, left=left, label=reason)
            left += share
        failed = np.array([100 - 100 * row["success_rate"] for row in rows])
        low, high = (
            np.array([100 - 100 * row[key] for row in rows])
            for key in ("success_high", "success_low")
        )
        spread = np.maximum([failed - low, high - failed], 0.0)
        axes.errorbar(failed, names, xerr=spread, fmt="none", ecolor="0.2", capsize=2)
        axes.invert_yaxis()
        axes.set(xlabel="failed episodes (%), with the 95 % interval of their number")
        axes.set_title(
            f"{rows[0]['run']} ({rows[0]['task']}), trained on {rows[0]['trained']}, judged on"
            f" {rows[0]['engine']}, {rows[0]['episodes']:,} episodes each",
            fontsize="medium",
        )
        axes.grid(axis="x", alpha=0.3)
        if reasons:
            figure.legend(loc="outside lower center", ncols=len(reasons))

    pictures.draw(path, (8, 1.2 + 0.32 * len(rows)), paint)


if __name__ == "__main__":
    cli.run(main)
