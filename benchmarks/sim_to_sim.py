"""Every policy in every physics: `python -m benchmarks.sim_to_sim RUN [RUN ...]`.

Evaluates each run's best checkpoint on each engine in the physics `eval`, and on MuJoCo's C engine in the
physics `reference`, with each engine's own options. With the first run the scripted policy, where the task has
one, is judged, too: it was made for no engine.
"""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import tyro

from benchmarks import record, runs
from benchmarks.settings import FromZeroInt, PositiveInt, parse
from screwpush_jax import checkpoint_folder, cli, run_folder
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.tasks import registry as tasks
from screwpush_sim import registry
from screwpush_sim.physics import Name

SCRIPTED = "scripted"


@dataclasses.dataclass(frozen=True)
class Args:
    """What to evaluate."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs."""
    engines: tuple[str, ...] = ("mujoco_warp", "mujoco", "physx")
    """Each evaluates every run."""
    episodes: PositiveInt = 4096
    """Unseen episodes of each evaluation in the physics eval."""
    reference_episodes: FromZeroInt = 1024
    """Unseen episodes of each in the physics reference; 0 for none."""
    out: Path = Path("benchmarks/results/sim_to_sim.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    """Raises UsageError, SimError, CheckpointError: before anything is evaluated, if it can be told then."""
    for engine in args.engines:
        registry.check_installed(engine)
    all_found = [checkpoint_folder.find_in(folder, best=True) for folder in args.folders]
    for folder, found in zip(args.folders, all_found, strict=True):
        baselines = tasks.find(found.meta["task"]).baselines
        scripted = folder == args.folders[0] and SCRIPTED in baselines
        for engine, physics, episodes in _cells(args):
            record.write(args.out, _judge(found, engine, physics, episodes, scripted))


def _cells(args: Args) -> Iterator[tuple[str, Name, int]]:
    for engine in args.engines:
        yield engine, "eval", args.episodes
    if args.reference_episodes:
        yield "mujoco", "reference", args.reference_episodes


def _judge(found: Found, engine: str, physics: Name, episodes: int, scripted: bool) -> list[dict]:
    """The rows of one run, and perhaps of the script, in one physics."""
    step_dir = found.run_dir / run_folder.CHECKPOINTS / str(found.step)
    device = "cpu" if engine == "mujoco" else "auto"
    flags = ["--checkpoint", str(step_dir), "--sim", engine, "--device", device]
    flags += ["--physics", physics, "--eval.episodes", str(episodes)]
    flags += [f"--eval.{'' if scripted else 'no-'}baselines"]
    begun_s = time.time()
    took_s = runs.command("evaluate", flags)
    judged = runs.evaluation(found.run_dir, engine, begun_s)
    config = found.meta["config"]
    trained = f"{found.meta['engine']}, {config['num_envs']} environments, seed {config['seed']}"
    same = {"benchmark": "sim_to_sim", "task": found.meta["task"], "evaluated": engine}
    same |= {"physics": physics, "process_s": took_s}
    rows = [same | {"trained": trained} | runs.figures(judged)]
    if scripted:
        rows.append(same | {"trained": SCRIPTED} | runs.figures(judged, SCRIPTED))
    return rows


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
