"""Learning curves of several seeds: `python -m benchmarks.learning`.

Trains each seed in a process of its own, evaluation of the learned policy included, and writes one
row a run, its curve, and one picture of all.
"""

import dataclasses
import json
from pathlib import Path

import tyro

from benchmarks import record, runs
from screwpush_jax import pictures
from screwpush_jax.loggers import read_metrics
from screwpush_sim.options import IsaacGymConfig


@dataclasses.dataclass(frozen=True)
class Args:
    """What to train."""

    config: str = "configs/gpu.yaml"
    """Configuration of every run."""
    task: str = "separate"
    """What is learned."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """One run each."""
    sim: str = ""
    """Another engine than the configuration's, on the device that it takes by itself."""
    isaacgym: IsaacGymConfig = IsaacGymConfig()
    """How the engine isaacgym runs."""
    max_minutes: float | None = None
    """Another limit of the training time than the configuration's."""
    name: str = "learning"
    """Name of the files, and with the seed of the runs."""
    gpus: tuple[int, ...] = ()
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


def curve(metrics: list[dict[str, float]]) -> dict[str, list[float]]:
    """Training time (s) and success of the episodes that ended, smoothed over eight iterations."""
    seconds, success, now = [], [], 0.0
    for index, row in enumerate(metrics):
        now += 1e-3 * row["perf/iteration_ms"]
        if index % 4 == 3:
            window = [
                r.get("env/success_once", 0.0) for r in metrics[max(0, index - 7) : index + 1]
            ]
            seconds.append(round(now, 2))
            success.append(round(sum(window) / len(window), 5))
    return {"s": seconds, "success_once": success}


def draw(curves: list[dict], path: Path) -> None:
    """One line a run."""

    def paint(figure) -> None:
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        for line in curves:
            axes.plot(line["s"], line["success_once"], label=f"seed {line['seed']}", lw=1)
        axes.axhline(0.98, color="0.6", lw=0.8, ls="--")
        axes.set(xlabel="training time (s)", ylabel="success of ended episodes", ylim=(0, 1.01))
        axes.grid(alpha=0.3)
        axes.legend()

    pictures.draw(path, (7, 4), paint)


if __name__ == "__main__":
    main(tyro.cli(Args))
