"""What many GPUs would bring, from what few have: `python -m benchmarks.scaling_model`.

Fits the model of `benchmarks.scaling_fit` to rows of one and two GPUs, holds its prediction against those of more,
then fits all rows and goes on to 64 GPUs. What is assumed of machines that nobody measured stands in that module.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from benchmarks import record, scaling_fit
from benchmarks.scaling_fit import Model, Row, gradient_steps, time_ms
from benchmarks.table import table


@dataclasses.dataclass(frozen=True)
class Args:
    """What to fit, and how far to go."""

    scaling: Path = Path("benchmarks/results/scaling.jsonl")
    """Rows of benchmarks.scaling, part `weak`."""
    communication: Path = Path("benchmarks/results/communication.jsonl")
    """Rows of benchmarks.communication."""
    checked: int = 2
    """The fit that is checked has seen at most so many GPUs."""
    num_envs: int = 16384
    """Environments on each GPU."""
    gpus: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    """Numbers of GPUs to predict."""
    picture: Path = Path("docs/results/scaling.png")
    """Where it is drawn; a folder that is there."""


def main(args: Args) -> None:
    rows, communication = newest(record.read(args.scaling)), record.read(args.communication)
    most = max(row["gpus"] for row in rows)
    print(checks(scaling_fit.fit(rows, communication, args.checked), rows, args.checked))
    model = scaling_fit.fit(rows, communication, most)
    print(f"\nfitted to up to {most} GPUs: {constants(model)}\n")
    print(predictions(model, args, rows))
    _draw(model, args, rows)


def newest(rows: Sequence[Row]) -> list[Row]:
    """Of the part `weak` the last row of each size."""
    last = {(r["gpus"], r["num_envs"]): r for r in rows if r.get("part") == "weak"}
    return list(last.values())


def checks(model: Model, rows: Sequence[Row], seen: int) -> str:
    """Times as they were measured against the model, which has seen some of them."""
    lines = []
    for row in sorted(rows, key=lambda row: (row["gpus"], row["num_envs"])):
        predicted = model.iteration_ms(row["gpus"], row["num_envs"], gradient_steps(row))
        lines.append(
            [
                str(row["gpus"]),
                f"{row['num_envs']:,}",
                "fitted" if row["gpus"] <= seen else "predicted",
                f"{time_ms(row):.1f}",
                f"{predicted:.1f}",
                f"{predicted / time_ms(row) - 1:+.1%}",
            ]
        )
    return table(["GPUs", "environments each", "", "measured ms", "model ms", "error"], lines)


def constants(model: Model) -> str:
    return (
        f"an iteration {model.fixed_ms:.1f} ms and {1e3 * model.each_ms:.2f} ms for 1,000 environments;"
        f" an all-reduce {model.start_us:.1f} us, {model.hop_us:.2f} us a hop,"
        f" {1e-3 * model.bytes_per_us:.1f} GB/s; jitter {model.jitter:.2%}"
    )


def predictions(model: Model, args: Args, rows: Sequence[Row]) -> str:
    """Where the time of an iteration goes, on each number of GPUs."""
    steps, alone = _steps(args, rows), model.iteration_ms(1, args.num_envs, 0)
    lines = []
    for gpus in args.gpus:
        whole = model.iteration_ms(gpus, args.num_envs, steps)
        lines.append(
            [
                str(gpus),
                f"{whole:.1f}",
                f"{model.exchange_ms(gpus, steps) / whole:.1%}",
                f"{model.waiting_ms(gpus, args.num_envs) / whole:.1%}",
                f"{alone / whole:.3f}",
                f"{gpus * alone / whole:.1f}",
            ]
        )
    head = ["GPUs", "ms an iteration", "exchanging", "waiting", "efficiency", "times one GPU"]
    return table(head, lines)


def _steps(args: Args, rows: Sequence[Row]) -> int:
    """Gradient steps of an iteration with that many environments each; they grow with them."""
    return round(args.num_envs * gradient_steps(rows[-1]) / rows[-1]["num_envs"])


def _draw(model: Model, args: Args, rows: Sequence[Row]) -> None:
    """Efficiency over the number of GPUs: measured, by the model, and by each of its parts alone."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    steps, n = _steps(args, rows), args.num_envs
    alone = model.compute_ms(n)
    parts = {
        "model": lambda k: model.iteration_ms(k, n, steps),
        "exchanges alone": lambda k: alone + model.exchange_ms(k, steps),
        "waiting alone": lambda k: alone + model.waiting_ms(k, n),
    }
    for (label, time), style in zip(parts.items(), ("-", "--", ":"), strict=True):
        axes.plot(args.gpus, [alone / time(k) for k in args.gpus], style, label=label)
    for size, marker in zip(sorted({row["num_envs"] for row in rows}), "ox+^v*", strict=False):
        times = {row["gpus"]: time_ms(row) for row in rows if row["num_envs"] == size}
        if 1 in times:
            shares = [times[1] / times[k] for k in sorted(times)]
            label = f"measured, {size:,} environments a GPU"
            axes.plot(sorted(times), shares, marker, label=label)
    axes.set(xscale="log", xlabel="GPUs", ylabel=f"weak efficiency, {n:,} environments a GPU")
    axes.set_xticks(args.gpus, [str(k) for k in args.gpus])
    axes.set_ylim(0.0, 1.05)
    axes.axvline(scaling_fit.PER_HOST, color="gray", linewidth=0.5, label="a host's GPUs")
    axes.minorticks_off()
    axes.legend()
    figure.savefig(args.picture, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
