"""What each choice of the preset does for learning: `python -m benchmarks.ablation`.

Trains the preset and variants of it for the same wall time, each in a process of its own.
"""

import dataclasses
from pathlib import Path

from benchmarks import record, runs
from benchmarks.settings import FromZeroInt, check_names, parse
from screwpush_jax import cli

VARIANTS: dict[str, tuple[str, ...]] = {
    "as shipped": (),
    "gamma 0.99": ("--ppo.gamma", "0.99"),
    "failure -10": ("--env.reward.failure", "-10"),
    "no time cost": ("--env.reward.time", "0"),
    "screws not sorted": ("--env.no-sort-screws",),
    "8192 environments, 8 minibatches": ("--num-envs", "8192", "--ppo.num-minibatches", "8"),
    "gamma 0.999": ("--ppo.gamma", "0.999"),
    "no entropy bonus": ("--ppo.ent-coef", "0"),
    "no reach reward": ("--env.reward.reach", "0"),
}
"""The preset with one thing changed, as flags."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to train."""

    config: str = "configs/gpu.yaml"
    """The preset."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Names out of the table in this file."""
    seed: FromZeroInt = 0
    """Of every run."""
    gpus: tuple[FromZeroInt, ...] = ()
    """Numbers of GPUs that share the runs; the first one if not given."""
    runs_dir: Path = Path("runs")
    """Folder of the runs."""
    out: Path = Path("benchmarks/results/ablation.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    check_names("--variants", args.variants, VARIANTS)
    common = ["--config", args.config, "--seed", str(args.seed), "--eval.no-baselines"]
    names = {f"ablation-{list(VARIANTS).index(what)}-{args.seed}": what for what in args.variants}
    flags = {name: [*common, *VARIANTS[what]] for name, what in names.items()}
    finished = runs.train_all(flags, args.runs_dir, args.gpus)
    rows = [
        {"benchmark": "ablation", "what": names[name]} | runs.row(run)
        for name, run in finished.items()
    ]
    record.write(args.out, rows)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
