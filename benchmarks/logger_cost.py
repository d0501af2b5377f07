"""What loggers cost training: `python -m benchmarks.logger_cost --config configs/cpu.yaml`.

One training, whose metrics go in turns to the run's own file alone and to all loggers, the services in
their offline modes and in the processes of their own that a run gives them. The ratio is that of two
neighbours in time, and which of them goes first changes from pair to pair. On a machine that others use,
too, it says little; what holds there is `cpu_share`: the processors' time that the services take for an
iteration, over what training takes for it. Where all cores are busy that is what is lost.
"""

import dataclasses
import importlib.util
import math
import os
import signal
import tempfile
import time
from pathlib import Path

from benchmarks import record
from benchmarks.settings import FromZeroFloat, PositiveFloat, PositiveInt, parse, read_config
from benchmarks.start import fresh_state
from screwpush_jax import cli
from screwpush_jax.build import World, make_world
from screwpush_jax.config import Config, LogConfig, Sink
from screwpush_jax.device import use_device
from screwpush_jax.loggers.run_loggers import Loggers
from screwpush_jax.loggers.services import Services
from screwpush_jax.recorder import Recorder
from screwpush_jax.stopping import Stopper
from screwpush_jax.training import train

PLAIN: tuple[Sink, ...] = ("jsonl",)
SERVICES: tuple[Sink, ...] = ("wandb", "swanlab")


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    config: str = "configs/cpu.yaml"
    """YAML file."""
    pairs: PositiveInt = 8
    """Pairs of turns."""
    seconds: PositiveFloat = 20.0
    """Of each turn."""
    skip_s: FromZeroFloat = 4.0
    """At the beginning of each turn, not timed: a service looks every two seconds."""
    out: Path = Path("benchmarks/results/logger_cost.jsonl")
    """File that a row is appended to."""


class _InTurns:
    """Loggers of two folders, written to in turns, and the speed of each turn."""

    def __init__(
        self, args: Args, config: Config, folders: dict[str, Path], engine: str, stopper: Stopper
    ):
        """`stopper` is asked for a stop when every turn is over."""
        self._args, self._batch, self._spent_s = args, config.batch_size, 0.0
        self._stopper = stopper
        self._loggers = {
            name: Loggers(folder, _with(config, name), 0, engine)
            for name, folder in folders.items()
        }
        warm = [("all", -1)]  # the services begin their runs
        pairs = range(args.pairs)
        order = [("plain", "all") if pair % 2 else ("all", "plain") for pair in pairs]
        self._turns = warm + [(name, pair) for pair in pairs for name in order[pair]]
        self.cpu_s = dict.fromkeys(("training", "services"), 0.0)
        self.iterations = self.rows = 0
        self._cpu_before = (0.0, 0.0)
        self.times_ms: dict[tuple[str, int], list[float]] = {turn: [] for turn in self._turns}

    def write(self, iteration: int, env_steps: int, metrics: dict[str, float]) -> None:
        number = int(self._spent_s / self._args.seconds)
        if number >= len(self._turns):
            self._stopper.request(signal.SIGTERM)
            return
        turn = self._turns[number]
        self._count_cpu(turn)
        if self._spent_s - number * self._args.seconds > self._args.skip_s:
            self.times_ms[turn].append(metrics["perf/iteration_ms"])
        self._loggers[turn[0]].write(iteration, env_steps, metrics)
        self._spent_s += 1e-3 * metrics["perf/iteration_ms"]

    def _count_cpu(self, turn: tuple[str, int]) -> None:
        """Adds what was used since the last iteration, of all turns but the first."""
        now = time.process_time(), _cpu_of_descendants_s()
        if turn[1] >= 0:
            for name, new_s, old_s in zip(self.cpu_s, now, self._cpu_before, strict=True):
                self.cpu_s[name] += new_s - old_s
            self.iterations, self.rows = self.iterations + 1, self.rows + (turn[0] == "all")
        self._cpu_before = now

    def close(self) -> None:
        for loggers in self._loggers.values():
            loggers.close()

    def speed(self, name: str, pair: int) -> float:
        """Control steps a second; not a number for a turn in which no iteration was timed."""
        times_ms = self.times_ms[name, pair] or [math.nan]
        return 1e3 * self._batch * len(times_ms) / sum(times_ms)


class _Recorder(Recorder):
    """One whose loggers take turns."""

    def __init__(self, in_turns: _InTurns, *args):
        super().__init__(*args)
        self._loggers.close()
        self._loggers = in_turns


def main(args: Args) -> None:
    os.environ |= {"WANDB_MODE": "offline", "SWANLAB_MODE": "offline"}
    config = read_config(args.config)
    config = dataclasses.replace(config, max_minutes=0.0, total_env_steps=10**12)
    config = dataclasses.replace(config, stop_at_success=0.0, checkpoint_every=10**9)
    use_device(config)
    world = make_world(config, config.num_envs, "train")
    try:
        record.write(args.out, [_measure(args, config, world)])
    finally:
        world.sim.close()


def _measure(args: Args, config: Config, world: World) -> dict:
    state, engine = fresh_state(config, world), world.sim.spec.engine
    with tempfile.TemporaryDirectory() as folder:
        folders = {name: Path(folder) / name for name in ("plain", "all")}
        for path in folders.values():
            path.mkdir()
        with Services(_with(config, "all"), folders["all"]):
            stopper = Stopper(lambda: "stopped")
            in_turns = _InTurns(args, config, folders, engine, stopper)
            with _Recorder(in_turns, config, world, Path(folder), None, stopper, False) as recorder:
                train(config, world, state, recorder)
    speeds = {k: [in_turns.speed(k, pair) for pair in range(args.pairs)] for k in folders}
    kept = [n for n in range(args.pairs) if math.isfinite(speeds["all"][n] / speeds["plain"][n])]
    speeds = {k: [values[n] for n in kept] for k, values in speeds.items()}
    cpu_s, iterations = in_turns.cpu_s, in_turns.iterations
    ratios = [a / b for a, b in zip(speeds["all"], speeds["plain"], strict=True)]
    print("ratios", *(f"{ratio:.3f}" for ratio in ratios))
    return {
        "benchmark": "logger_cost",
        "engine": engine,
        "num_envs": config.num_envs,
        "loggers": ",".join(_with(config, "all").log.to),
        "pairs": len(kept),
        **{f"ratio_{name}": value for name, value in record.spread(ratios).items()},
        "cpu_share": cpu_s["services"] / in_turns.rows / (cpu_s["training"] / iterations),
        **{f"{k}_steps_per_s": record.spread(speeds[k])["median"] for k in folders},
    }


def _cpu_of_descendants_s() -> float:
    """Processors' time of all processes that this one and its own have started and that live."""
    parents, used_s = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:  # gone
            continue
        pid = int(stat.parent.name)
        parents[pid] = int(words[1])
        used_s[pid] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    ours = {os.getpid()}
    for _ in range(4):  # generations
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return sum(used_s[pid] for pid in ours - {os.getpid()})


def _with(config: Config, name: str) -> Config:
    """The configuration with no logger but the run's own, or with all that are installed."""
    installed: tuple[Sink, ...] = tuple(s for s in SERVICES if importlib.util.find_spec(s))
    to: tuple[Sink, ...] = (*PLAIN, "tensorboard", *installed) if name == "all" else PLAIN
    return dataclasses.replace(config, log=LogConfig(to=to))


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
