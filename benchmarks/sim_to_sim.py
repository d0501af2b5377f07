"""A policy on another engine than its own: `python -m benchmarks.sim_to_sim RUN [RUN ...]`.

Evaluates each run's best checkpoint on each engine, on the same number of unseen episodes, with
that engine's own solver iterations.
"""

import dataclasses
import time
from pathlib import Path

import tyro

from benchmarks import record, runs
from screwpush_jax import checkpoint, run_folder


@dataclasses.dataclass(frozen=True)
class Args:
    """What to evaluate."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs."""
    engines: tuple[str, ...] = ("mujoco_warp", "mujoco")
    """Each evaluates every run."""
    episodes: int = 4096
    """Unseen episodes of each evaluation."""
    out: Path = Path("benchmarks/results/sim_to_sim.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    rows = []
    for folder in args.folders:
        found = checkpoint.find_in(folder, best=True)
        trained, config = found.meta["engine"], found.meta["config"]
        step_dir = folder / run_folder.CHECKPOINTS / str(found.step)
        for engine in args.engines:
            flags = ["--checkpoint", str(step_dir), "--sim", engine, "--device", "auto"]
            flags += ["--eval.episodes", str(args.episodes), "--eval.no-baselines"]
            begun_s = time.time()
            runs.command("evaluate", flags)
            rows.append(
                {
                    "benchmark": "sim_to_sim",
                    "trained": f"{trained}, {config['num_envs']} environments, seed {config['seed']}",
                    "evaluated": engine,
                    **runs.learned(runs.evaluation(folder, engine, begun_s)),
                }
            )
    record.write(args.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Args))
