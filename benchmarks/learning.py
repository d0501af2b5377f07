"""Learning curves of several seeds: `python -m benchmarks.learning RUN_DIR RUN_DIR ...`.

Reads finished runs (each ended with its evaluation) and writes one row a run, its curve, and one
picture of all. Nothing is measured here: the figures are those that the runs wrote.
"""

import dataclasses
import json
from pathlib import Path

import tyro
import yaml
from matplotlib.figure import Figure

from benchmarks import record


@dataclasses.dataclass(frozen=True)
class Args:
    """What to collect."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of finished runs."""
    name: str = "learning"
    """Name of the files."""
    start_s: dict[str, float] = dataclasses.field(default_factory=dict)
    """By run folder name: seconds from the process's start to its end."""
    out: Path = Path("benchmarks/results")
    """Folder of the results."""


def main(args: Args) -> None:
    rows, curves = [], []
    for run in args.runs:
        config = yaml.safe_load((run / "config.yaml").read_text())
        evaluation = json.loads(max(run.glob("eval-*.json"), key=_step_of).read_text())
        metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        curve = _curve(metrics)
        learned = evaluation["learned"]
        rows.append(
            {
                "benchmark": args.name,
                "seed": config["seed"],
                "num_envs": config["num_envs"],
                "engine": evaluation["engine"],
                "env_steps": metrics[-1]["env_steps"],
                "train_s": curve["s"][-1],
                "process_s": args.start_s.get(run.name),
                **{k: learned[k] for k in ("episodes", "success_rate", "success_low")},
                **{k: learned[k] for k in ("success_high", "out_of_area", "episode_len")},
            }
        )
        curves.append({"benchmark": f"{args.name}-curve", "seed": config["seed"], **curve})
    record.write(args.out / f"{args.name}.jsonl", rows)
    with (args.out / f"{args.name}_curves.jsonl").open("a") as file:
        file.writelines(json.dumps(curve) + "\n" for curve in curves)
    _draw(curves, args.out / f"{args.name}.png")


def _step_of(path: Path) -> int:
    return int(path.name.split("-")[1])


def _curve(metrics: list[dict]) -> dict[str, list[float]]:
    """Training time and success of the episodes that ended, smoothed over eight iterations."""
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


def _draw(curves: list[dict], path: Path) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for curve in curves:
        axes.plot(curve["s"], curve["success_once"], label=f"seed {curve['seed']}", lw=1)
    axes.axhline(0.98, color="0.6", lw=0.8, ls="--")
    axes.set(xlabel="training time (s)", ylabel="success of ended episodes", ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(tyro.cli(Args))
