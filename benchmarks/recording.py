"""What recording for the report costs an evaluation: `python -m benchmarks.recording`.

The same episodes of an untrained policy, which all last to the horizon, with the task's recording and
without it, in turns and in one process; and the memory that the recording takes on the device.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax

from benchmarks import record
from benchmarks.settings import PositiveInt, parse
from screwpush_jax import cli, compiled
from screwpush_jax.build import World, make_world
from screwpush_jax.config import config_type
from screwpush_jax.device import use_device
from screwpush_jax.episodes import LEARNED
from screwpush_jax.evaluation import run_episodes, unseen_starts


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    task: str = "separate"
    """Whose episodes."""
    sim: str = "auto"
    """Physics engine."""
    episodes: PositiveInt = 16384
    """N: all at once."""
    repeats: PositiveInt = 5
    """Timed pairs, after one that is not."""
    out: Path = Path("benchmarks/results/recording.jsonl")
    """File that rows are appended to."""


class Unwatched:
    """A task that says nothing about what is to be recorded."""

    def __init__(self, task: Any):
        self._task = task

    def __getattr__(self, name: str) -> Any:
        if name in ("watch", "report"):
            raise AttributeError(name)
        return getattr(self._task, name)


def main(args: Args) -> None:
    kind = config_type(args.task)
    config = dataclasses.replace(kind(), sim=args.sim)
    use_device(config)
    world = make_world(config, args.episodes, "eval")
    try:
        record.write(args.out, [measure(args, world)])
    finally:
        world.sim.close()


def measure(args: Args, world: World) -> dict[str, Any]:
    """The row: seconds an evaluation with and without, and their ratio, pair by pair."""
    env = world.env
    plain = world._replace(env=dataclasses.replace(env, task=Unwatched(env.task)))
    worlds = {"recorded": world, "plain": plain}
    functions = {n: compiled.compile_episodes(w.env, w.algorithm) for n, w in worlds.items()}
    policy = world.algorithm.init(jax.random.key(0)).policy
    starts = unseen_starts(world, 1)
    seconds: dict[str, list[float]] = {name: [] for name in worlds}
    kept: dict[str, int] = {}
    for _ in range(args.repeats + 1):
        for name, one in worlds.items():
            begun = time.perf_counter()
            ran = run_episodes(one, functions[name], policy, starts, LEARNED, 1)
            jax.block_until_ready(ran.figures)
            seconds[name].append(time.perf_counter() - begun)
            kept[name] = sum(leaf.nbytes for leaf in jax.tree.leaves(ran.recording))
    pairs = zip(seconds["recorded"][1:], seconds["plain"][1:], strict=True)
    return {
        "benchmark": "recording",
        "task": args.task,
        "engine": world.sim.spec.engine,
        "episodes": args.episodes,
        **{f"{name}_s": record.spread(taken[1:]) for name, taken in seconds.items()},
        "recorded_over_plain": record.spread([a / b for a, b in pairs]),
        "recording_mb": 1e-6 * kept["recorded"],
        "plain_mb": 1e-6 * kept["plain"],
    }


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
