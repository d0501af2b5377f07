"""Speed of training with a video being made against without: `python -m benchmarks.video`.

One run of `screwpush_jax.training.train` itself, in blocks of iterations: after each block without a
video comes one in which a film is taken and drawn. Blocks must be as long as that takes, or its end is
not counted; `left_s` says how much that was.
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import record
from benchmarks.settings import FromZeroInt, PositiveInt, parse, read_config
from benchmarks.start import fresh_state
from screwpush_jax import cli
from screwpush_jax.build import make_world
from screwpush_jax.device import use_device
from screwpush_jax.filming.films import TrainingFilms
from screwpush_jax.stopping import Stopper
from screwpush_jax.training import train


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    config: Path = Path("configs/cpu.yaml")
    """The run's configuration."""
    num_envs: FromZeroInt = 0
    """N; 0 takes the configuration's."""
    iterations: PositiveInt = 50
    """Of a block."""
    rounds: PositiveInt = 5
    """Pairs of blocks, after one that warms up."""
    out: Path = Path("benchmarks/results/video.jsonl")
    """File that the row is appended to."""


class Stopwatch:
    """Stands in for a run's recorder: reads each iteration as it does, and times blocks."""

    stops_here = False

    def __init__(self, films: TrainingFilms, length: int, blocks: int):
        self.films, self.stopper = films, Stopper(lambda: "")
        self.seconds: list[float] = []
        self.left_s: list[float] = []
        self._length, self._blocks, self._number = length, blocks, 0
        self._pending: tuple[Any, Callable[[], Any]] | None = None
        self._since = 0.0

    def start_clock(self) -> None:
        self._since = time.perf_counter()

    def should_continue(self) -> bool:
        return len(self.seconds) < self._blocks

    def iteration(self, metrics: Any, report: Callable[[], Any], learner: Any) -> None:
        self._flush()
        self._number += 1
        self._pending = metrics, report
        if self._number % self._length == 0:
            self._flush()
            self.seconds.append(time.perf_counter() - self._since)
            self._wait()
        self.films.iteration(self._number)
        if self._number % self._length == 0:
            self._since = time.perf_counter()

    def checkpoint_due(self) -> bool:
        return False

    def save(self, state: Any) -> None: ...

    def _flush(self) -> None:
        if self._pending is not None:
            jax.device_get(self._pending[0])
            self._pending[1]()
        self._pending = None

    def _wait(self) -> None:
        """For a video that is not done: the next block shall have none of it."""
        begun = time.perf_counter()
        while not self.films.idle:
            time.sleep(0.01)
        self.left_s.append(time.perf_counter() - begun)


def main(args: Args) -> None:
    config: Any = read_config(args.config)
    if args.num_envs:
        config = dataclasses.replace(config, num_envs=args.num_envs)
    filmed = dataclasses.replace(config.video, every=2 * args.iterations)
    config = dataclasses.replace(config, video=filmed)
    needed = -(-config.env.horizon // config.num_steps) + 1
    if args.iterations < needed:
        raise SystemExit(
            f"--iterations {args.iterations}; valid: {needed} or more, a film's length"
        )
    use_device(config)
    world = make_world(config, config.num_envs, "train")
    with tempfile.TemporaryDirectory() as folder:
        films = TrainingFilms(config, world, Path(folder))
        watch: Any = Stopwatch(films, args.iterations, 2 + 2 * args.rounds)
        train(config, world, fresh_state(config, world), watch)
        films.close(at_once=False)
        made = len(list(Path(folder).rglob("*.mp4")))
    record.write(args.out, [row(args, config, world.sim.spec.engine, watch, made)])
    world.sim.close()


def row(args: Args, config: Any, engine: str, watch: Stopwatch, made: int) -> dict[str, Any]:
    """Blocks 0 and 1 warm up; then each with a film is held against the one after it."""
    on, off = np.array(watch.seconds[2::2]), np.array(watch.seconds[3::2])
    steps = args.iterations * config.batch_size
    return {
        "benchmark": "video",
        "engine": engine,
        "num_envs": config.num_envs,
        "iterations": args.iterations,
        "scenes": config.video.scenes,
        "videos": made,
        "steps_per_s_without": record.spread(steps / off),
        "unit": "speed with a video, part of that without",
        **record.spread(off / on),
        "left_s": round(max(watch.left_s), 2),
    }


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
