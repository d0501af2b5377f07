"""Learning curves of several seeds: `python -m benchmarks.learning`.

Trains each seed in a process of its own, evaluation of the learned policy included, and writes one
row a run, its curve, and one picture of all.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

from annotated_types import Gt

from benchmarks import record, runs
from benchmarks.settings import (
    FromZeroInt,
    minibatches_for,
    parse,
    read_config,
)
from screwpush_jax import cli, pictures
from screwpush_jax.loggers import read_metrics
from screwpush_sim.options import IsaacGymConfig

_ALSO = ("speed_m_s", "return", "upright")


@dataclasses.dataclass(frozen=True)
class Args:
    """What to train."""

    config: str = "configs/gpu.yaml"
    """Configuration of every run."""
    task: str = "separate"
    """What is learned."""
    seeds: tuple[FromZeroInt, ...] = (0, 1, 2, 3, 4)
    """One run each."""
    sim: str = ""
    """Another engine than the configuration's, on the device that it takes by itself."""
    isaacgym: IsaacGymConfig = IsaacGymConfig()
    """How the engine isaacgym runs."""
    num_envs: Annotated[int | None, Gt(0)] = None
    """Another number of scenes than the configuration's, in minibatches of the same size."""
    max_minutes: Annotated[float | None, Gt(0)] = None
    """Another limit of the training time than the configuration's."""
    name: str = "learning"
    """Name of the files, and with the seed of the runs."""
    gpus: tuple[FromZeroInt, ...] = ()
    """Numbers of GPUs that share the runs; the first one if not given."""
    runs_dir: Path = Path("runs")
    """Folder of the runs."""
    out: Path = Path("benchmarks/results")
    """Folder of the results."""
    pictures: Path = Path("docs/results")
    """Folder of the picture."""


def main(args: Args) -> None:
    common = ["--config", args.config, "--task", args.task, "--eval.no-baselines", *_engine(args)]
    if args.max_minutes is not None:
        common += ["--max-minutes", str(args.max_minutes)]
    if args.num_envs is not None:
        common += _scenes(args.config, args.num_envs)
    flags = {f"{args.name}-{seed}": [*common, "--seed", str(seed)] for seed in args.seeds}
    finished = runs.train_all(flags, args.runs_dir, args.gpus)
    rows = [{"benchmark": args.name} | runs.row(run) for run in finished.values()]
    curves = [
        {"benchmark": f"{args.name}-curve", "seed": row["seed"], **curve(read_metrics(run.folder))}
        for row, run in zip(rows, finished.values(), strict=True)
    ]
    record.write(args.out / f"{args.name}.jsonl", rows)
    with (args.out / f"{args.name}_curves.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in curves)
    draw(curves, args.pictures / f"{args.name}.png")


def _engine(args: Args) -> list[str]:
    """Flags for the engine, where it is not the configuration's."""
    if not args.sim:
        return []
    flags = ["--sim", args.sim, "--device", "auto"]
    for field in dataclasses.fields(args.isaacgym):
        value = getattr(args.isaacgym, field.name)
        if value != field.default:
            flags += [f"--isaacgym.{field.name.replace('_', '-')}", str(value)]
    return flags


def _scenes(config: str, num_envs: int) -> list[str]:
    """Flags for another number of scenes than the file's: as many more minibatches as there are scenes."""
    known = read_config(config)
    flag = f"--{known.algorithm}.num-minibatches"
    return ["--num-envs", str(num_envs), flag, str(minibatches_for(known, num_envs))]


def curve(metrics: list[dict[str, float]]) -> dict[str, list[float]]:
    """Training time (s) and what came of the episodes that ended, smoothed over eight iterations:
    success, and of what `_ALSO` names that which the task has."""
    names = ["success_once", *(n for n in _ALSO if any(f"env/{n}" in row for row in metrics))]
    lines: dict[str, list[float]] = {"s": [], **{name: [] for name in names}}
    now = 0.0
    for index, row in enumerate(metrics):
        now += 1e-3 * row["perf/iteration_ms"]
        if index % 4 == 3:
            lines["s"].append(round(now, 2))
            for name in names:
                window = [r.get(f"env/{name}", 0.0) for r in metrics[max(0, index - 7) : index + 1]]
                lines[name].append(round(sum(window) / len(window), 5))
    return lines


def draw(curves: list[dict], path: Path) -> None:
    """One line a run, one panel for each figure that all of them have."""

    def paint(figure) -> None:
        figure.set_layout_engine("constrained")
        panels = figure.subplots(len(names), squeeze=False, sharex=True)[:, 0]
        for axes, name in zip(panels, names, strict=True):
            for line in curves:
                axes.plot(line["s"], line[name], label=f"seed {line['seed']}", lw=1)
            axes.set(ylabel=f"{name} of ended episodes")
            axes.grid(alpha=0.3)
        panels[0].axhline(0.98, color="0.6", lw=0.8, ls="--")
        panels[0].set(ylabel="success of ended episodes", ylim=(0, 1.01))
        panels[-1].set(xlabel="training time (s)")
        panels[0].legend()

    names = ["success_once", *(name for name in _ALSO if all(name in line for line in curves))]
    pictures.draw(path, (7, 1 + 3 * len(names)), paint)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
