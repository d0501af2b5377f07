"""What more GPUs bring: `python -m benchmarks.scaling --gpus 1 2 4`, on a machine that has them.

`weak`: as many environments on each GPU, whatever their number; `strong`: as many in all. Both train the
shipped configuration for some iterations, and each minibatch of the weak ones grows with the GPUs, so that each
GPU does what it does alone. `cores`: the most GPUs, whose processes together are left only so many cores of the
host. `goal`: seconds of training until success is surely `--success`, by rules of what grows with the GPUs. Rows
go to `--out`, a picture beside it.
"""

import contextlib
import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks import record, runs
from benchmarks.settings import (
    FromZeroInt,
    PositiveFloat,
    PositiveInt,
    minibatches_for,
    parse,
    read_config,
)
from screwpush_jax import cli
from screwpush_jax.loggers import read_metrics
from screwpush_jax.loggers.provenance import PROVENANCE_FILE

Part = Literal["weak", "strong", "cores", "goal"]
Rule = Literal["fixed", "larger", "batch", "minibatches"]
_JUDGED = ("episodes", "success_rate", "success_low", "success_high")
_PHASES = ("iteration", "sim", "transition", "update")


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    config: str = "configs/gpu.yaml"
    """YAML file of the trainings; its minibatches are for its environments, and grow with them."""
    gpus: tuple[PositiveInt, ...] = (1, 2, 4)
    """Numbers of GPUs."""
    parts: tuple[Part, ...] = ("weak", "strong", "cores", "goal")
    """What to measure."""
    weak: tuple[PositiveInt, ...] = (4096, 16384)
    """Environments on each GPU."""
    strong: PositiveInt = 32768
    """Environments in all."""
    cores: tuple[PositiveInt, ...] = (16, 8, 4)
    """Numbers of cores, in all; with the first number of `weak` environments on each GPU."""
    iterations: PositiveInt = 90
    """Of each training but those to the goal; the last two thirds are counted."""
    success: PositiveFloat = 0.99
    """The goal."""
    minutes: PositiveFloat = 4.0
    """A training to the goal ends after so many without it."""
    rules: tuple[Rule, ...] = ("fixed", "larger", "batch", "minibatches")
    """fixed: as many environments in all, in as many minibatches; larger: in half as many; batch: as many
    environments on each GPU, in as many minibatches; minibatches: in minibatches as large as one GPU's."""
    seeds: tuple[FromZeroInt, ...] = (0,)
    """Of the trainings to the goal."""
    out: Path = Path("benchmarks/results/scaling.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    rows = []
    for part in args.parts:
        for what, flags in list(_goals(args) if part == "goal" else _sizes(args, part)):
            with _cores(what.get("cores", 0)):
                row, hardware = _measure(args, what, flags)
            rows.append(what | row)
            record.write(args.out, rows[-1:], hardware)
    drawn = [row for row in rows if row["part"] in ("weak", "strong")]
    _draw(drawn, args.out.with_suffix(".png"))


def _sizes(args: Args, part: Part) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """What each training is, and its flags."""
    if part == "cores":
        there = len(os.sched_getaffinity(0))
        for cores in (cores for cores in args.cores if cores < there):
            what, flags = _size(args, part, max(args.gpus), args.weak[0], args.weak[0])
            yield what | {"cores": cores}, flags
        return
    for in_all in args.weak if part == "weak" else (args.strong,):
        for gpus in args.gpus:
            num_envs = in_all if part == "weak" else in_all // gpus
            yield _size(args, part, gpus, num_envs, in_all)


def _size(
    args: Args, part: Part, gpus: int, num_envs: int, in_all: int
) -> tuple[dict[str, Any], list[str]]:
    """A training of `num_envs` on each GPU, in as many minibatches as `in_all` on one have."""
    base = read_config(args.config)
    steps = args.iterations * num_envs * gpus * base.num_steps
    minibatches = minibatches_for(base, in_all)
    return {"part": part, "gpus": gpus, "num_envs": num_envs, "num_minibatches": minibatches}, [
        *("--num-envs", str(num_envs), "--num-gpus", str(gpus)),
        *(f"--{base.algorithm}.num-minibatches", str(minibatches)),
        *("--total-env-steps", str(steps), "--max-minutes", "0", "--stop-at-success", "0"),
        *("--eval.episodes", "16", "--eval.no-baselines"),
    ]


@contextlib.contextmanager
def _cores(count: int) -> Iterator[None]:
    """Leaves only so many of the host's cores to this process and those that it starts; 0: all."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count] or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _goals(args: Args) -> Iterator[tuple[dict[str, Any], list[str]]]:
    base = read_config(args.config)
    for gpus in args.gpus:
        for rule in args.rules if gpus > 1 else ("fixed",):
            for seed in args.seeds:
                in_all = rule in ("fixed", "larger")
                num_envs = base.num_envs // gpus if in_all else base.num_envs
                times = {"minibatches": gpus, "larger": 0.5}.get(rule, 1)
                minibatches = max(1, int(base.algorithm_options.num_minibatches * times))
                yield (
                    {
                        **{"part": "goal", "gpus": gpus, "num_envs": num_envs, "seed": seed},
                        **{"num_minibatches": minibatches, "rule": rule if gpus > 1 else "alone"},
                    },
                    [
                        *("--num-envs", str(num_envs), "--num-gpus", str(gpus)),
                        *(f"--{base.algorithm}.num-minibatches", str(minibatches)),
                        *("--seed", str(seed)),
                        *("--stop-at-success", str(args.success)),
                        *("--max-minutes", str(args.minutes), "--eval.no-baselines"),
                    ],
                )


def _measure(args: Args, what: dict[str, Any], flags: Sequence[str]) -> tuple[dict[str, Any], str]:
    """What came of a training, and on which hardware."""
    name = "-".join(str(value) for value in what.values())
    with tempfile.TemporaryDirectory() as folder:
        where = ("--runs-dir", folder, "--name", name, "--headless", "--log.to", "jsonl")
        config = ("--config", args.config, "--checkpoint-every", str(10**6))
        process_s = runs.command("train", [*config, *flags, *where])
        found = runs.newest(Path(folder), name)
        table, judged = read_metrics(found), runs.evaluation(found)
        hardware = json.loads((found / PROVENANCE_FILE).read_text())["hardware"]
    counted = table[len(table) // 3 :]
    ms = {
        f"{phase}_ms": record.spread([row[f"perf/{phase}_ms"] for row in counted])
        for phase in _PHASES
    }
    speed = record.spread([row["perf/env_steps_per_s"] for row in counted])
    memory = max((row.get("perf/gpu_mem_mb", 0.0) for row in counted), default=0.0)
    outcome: dict[str, Any] = {"iterations": len(table), "env_steps_per_s": speed, **ms}
    outcome["num_epochs"] = read_config(args.config).algorithm_options.num_epochs
    outcome |= {"gpu_mem_mb": memory, "process_s": process_s}
    if what["part"] == "goal":
        learned = judged["learned"]
        outcome |= {
            "train_s": 1e-3 * sum(row["perf/iteration_ms"] for row in table),
            "env_steps": table[-1]["env_steps"],
            **{key: learned[key] for key in _JUDGED},
        }
    return outcome, hardware


def _draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Speed over the number of GPUs, against what one of them would make of it."""
    if not rows:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    of_weak = {(row["part"], row["num_envs"] * (row["part"] == "weak")) for row in rows}
    for part, num_envs in sorted(of_weak):
        curve = sorted(
            (row["gpus"], row["env_steps_per_s"]["median"])
            for row in rows
            if row["part"] == part and num_envs in (0, row["num_envs"])
        )
        first, speed = curve[0]
        label = f"{num_envs:,} environments a GPU" if num_envs else "as many in all"
        shares = [each / speed * first for _, each in curve]
        axes.plot([gpus for gpus, _ in curve], shares, marker="o", label=label)
    most = max(row["gpus"] for row in rows)
    axes.plot([1, most], [1, most], color="gray", linestyle=":", label="as many times one GPU")
    axes.set(xlabel="GPUs", ylabel="speed, in that of one GPU", xticks=range(1, most + 1))
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv, __doc__)))
