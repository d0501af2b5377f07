"""What loggers cost training: `python -m benchmarks.logger_cost --config configs/cpu.yaml`.

In one process and one simulator, training in turns with the run's own metrics file alone and with all
loggers, the services in their offline modes and in the processes of their own that a run gives them. The
ratio is that of two neighbours in time, which one of them goes first changes from pair to pair.
"""

import dataclasses
import importlib.util
import os
import tempfile
from pathlib import Path

import tyro

from benchmarks import record
from benchmarks.start import fresh_state
from screwpush_jax.build import World, make_world
from screwpush_jax.checkpoint import RunState
from screwpush_jax.config import Config, LogConfig, Sink, config_type, load_yaml
from screwpush_jax.device import use_device
from screwpush_jax.loggers import read_metrics
from screwpush_jax.loggers.services import Services
from screwpush_jax.recorder import Recorder
from screwpush_jax.stopping import Stopper
from screwpush_jax.training import train

ALL: tuple[Sink, ...] = ("jsonl", "tensorboard", "wandb", "swanlab")


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    config: str = "configs/cpu.yaml"
    """YAML file."""
    pairs: int = 8
    """Pairs of turns."""
    seconds: float = 15.0
    """Of each turn, that are timed."""
    warm_s: float = 8.0
    """Of each turn, before them: a service begins its run."""
    out: Path = Path("benchmarks/results/logger_cost.jsonl")
    """File that a row is appended to."""


def main(args: Args) -> None:
    os.environ |= {"WANDB_MODE": "offline", "SWANLAB_MODE": "offline"}
    kind = config_type()
    config = load_yaml(Path(args.config), kind, kind())
    minutes = (args.warm_s + args.seconds) / 60.0
    config = dataclasses.replace(config, max_minutes=minutes, total_env_steps=10**12)
    config = dataclasses.replace(config, stop_at_success=0.0, checkpoint_every=10**9)
    use_device(config)
    world = make_world(config, config.num_envs, "train")
    try:
        record.write(args.out, [_measure(args, config, world)])
    finally:
        world.sim.close()


def _measure(args: Args, config: Config, world: World) -> dict:
    there = [name for name in ALL[2:] if importlib.util.find_spec(name)]
    kinds = {"plain": ALL[:1], "all": (*ALL[:2], *there)}
    state = fresh_state(config, world)
    speeds = {name: [] for name in kinds}
    for pair in range(args.pairs):
        for name in sorted(kinds, reverse=pair % 2 == 0):
            log = LogConfig(to=kinds[name])
            mine = dataclasses.replace(config, log=log)
            state, speed = _turn(mine, world, state, args.warm_s)
            speeds[name].append(speed)
        print(f"pair {pair + 1}: {speeds['all'][-1] / speeds['plain'][-1]:.3f}", flush=True)
    ratios = [a / b for a, b in zip(speeds["all"], speeds["plain"], strict=True)]
    medians = {f"{name}_steps_per_s": record.spread(speeds[name])["median"] for name in kinds}
    return {
        "benchmark": "logger_cost",
        "engine": world.sim.spec.engine,
        "num_envs": config.num_envs,
        "loggers": ",".join(kinds["all"]),
        "pairs": args.pairs,
        **{f"ratio_{name}": value for name, value in record.spread(ratios).items()},
        **medians,
    }


def _turn(config: Config, world: World, state: RunState, warm_s: float) -> tuple[RunState, float]:
    """Trains once; what it ends with, and its control steps a second after `warm_s`."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir, stopper = Path(folder), Stopper(lambda: "interrupted")
        with Services(config, run_dir):
            with Recorder(config, world, run_dir, None, stopper, False) as recorder:
                state = train(config, world, state, recorder)
            spent_s, timed = 0.0, []
            for row in read_metrics(run_dir):
                spent_s += 1e-3 * row["perf/iteration_ms"]
                if spent_s > warm_s:
                    timed.append(row["perf/iteration_ms"])
    return state, 1e3 * config.batch_size * len(timed) / sum(timed)


if __name__ == "__main__":
    main(tyro.cli(Args))
