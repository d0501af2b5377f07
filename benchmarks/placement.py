"""What stages and a learner apart bring: `python -m benchmarks.placement`, on a machine with two GPUs.

Each setup trains the shipped configuration for some iterations, with as many environments in all, in as many
minibatches: on one GPU (`alone`), on it in two pipeline stages (`stages`), on two GPUs a process each
(`both`), with the simulator on one and the learner on the other (`apart`), and that in stages
(`apart_stages`). The setups take turns, round after round. Rows go to `--out`; the table at the end shows the
median of the rounds' medians.
"""

import dataclasses
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks import record, runs
from benchmarks.settings import PositiveInt, minibatches_for, parse, read_config
from screwpush_jax import cli
from screwpush_jax.loggers import read_metrics

Setup = Literal["alone", "stages", "both", "apart", "apart_stages"]
_STAGES = ("--pipeline-stages", "2")
_APART = ("--placement.sim", "0", "--placement.learner", "1")
_FLAGS: dict[Setup, tuple[str, ...]] = {
    "alone": (),
    "stages": _STAGES,
    "both": ("--num-gpus", "2"),
    "apart": _APART,
    "apart_stages": (*_APART, *_STAGES),
}
_PHASES = ("iteration", "sim", "transition", "update")


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    config: str = "configs/gpu.yaml"
    """YAML file of the trainings; its minibatches are for its environments, and grow with them."""
    setups: tuple[Setup, ...] = ("alone", "stages", "both", "apart")
    """What to compare."""
    num_envs: tuple[PositiveInt, ...] = (4096, 16384)
    """Environments in all."""
    iterations: PositiveInt = 120
    """Of each training; the last two thirds are counted."""
    rounds: PositiveInt = 3
    """How often each setup is trained."""
    out: Path = Path("benchmarks/results/placement.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    rows = []
    for turn in range(args.rounds):
        for num_envs in args.num_envs:
            for setup in args.setups:
                rows.append(measure(args, setup, num_envs) | {"round": turn})
                record.write(args.out, rows[-1:])
    print(table(rows))


def measure(args: Args, setup: Setup, num_envs: int) -> dict[str, Any]:
    """The row of one training."""
    base = read_config(args.config)
    minibatches = minibatches_for(base, num_envs)
    flags = [
        *("--config", args.config, "--global-num-envs", str(num_envs)),
        *("--ppo.num-minibatches", str(minibatches)),
        *("--total-env-steps", str(args.iterations * num_envs * base.num_steps)),
        *("--max-minutes", "0", "--checkpoint-every", str(10**6), "--log.to", "jsonl"),
        *("--eval.episodes", "16", "--eval.no-baselines", "--headless", *_FLAGS[setup]),
    ]
    with tempfile.TemporaryDirectory() as folder:
        process_s = runs.command("train", [*flags, "--runs-dir", folder, "--name", setup])
        lines = read_metrics(runs.newest(Path(folder), setup))
    counted = lines[len(lines) // 3 :]
    names = {f"{phase}_ms": f"perf/{phase}_ms" for phase in _PHASES}
    names["env_steps_per_s"] = "perf/env_steps_per_s"
    figures = {key: record.spread([line[name] for line in counted]) for key, name in names.items()}
    memory = max((line.get("perf/gpu_mem_mb", 0.0) for line in counted), default=0.0)
    same = {"benchmark": "placement", "setup": setup, "num_envs": num_envs}
    return same | {
        "iterations": len(lines),
        "process_s": process_s,
        "gpu_mem_mb": memory,
        **figures,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Milliseconds of an iteration, median of the rounds (lowest to highest), and against the first setup."""
    found: dict[tuple[int, str], list[float]] = {}
    for row in rows:
        found.setdefault((row["num_envs"], row["setup"]), []).append(row["iteration_ms"]["median"])
    lines, first = (
        ["environments  setup         iteration, ms (rounds)       against the first"],
        {},
    )
    for (num_envs, setup), each in sorted(found.items(), key=lambda pair: pair[0][0]):
        middle = statistics.median(each)
        share = middle / first.setdefault(num_envs, middle)
        spread = f"{middle:.2f} ({min(each):.2f} to {max(each):.2f})"
        lines.append(f"{num_envs:>12,}  {setup:12}  {spread:27}  {share:.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv, __doc__)))
