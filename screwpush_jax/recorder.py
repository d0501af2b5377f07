"""The host's memory of a run: counters, clocks, budget, metrics, checkpoints, the wish to stop."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import jax

from screwpush_jax.checkpoint import CheckpointStore, Found, RunState
from screwpush_jax.config import Config, to_tree
from screwpush_jax.display import Display
from screwpush_jax.loggers import Loggers
from screwpush_jax.tasks.task import Task
from screwpush_jax.transition import Tally

Metrics = dict[str, float]


class Recorder:
    """Follows one run; knows nothing of physics or learning."""

    def __init__(self, config: Config, task: Task, run_dir: Path, found: Found | None, live: bool):
        self._config, self._task = config, task
        counters: dict[str, Any] = found.meta["counters"] if found else {}
        self.iterations = int(counters.get("iterations", 0))
        self._elapsed_before_s = float(counters.get("elapsed_s", 0.0))
        self._best = float(counters.get("best", -1.0))
        self._tally: Metrics = dict(counters.get("tally", {}))
        self._since_save = int(counters.get("since_save", 0))
        self._begun = self._iteration_begun = time.perf_counter()
        self._spent = {"sim": 0.0, "transition": 0.0, "update": 0.0}
        self.total_spent = dict(self._spent)
        self.stop_asked = False
        self._store = CheckpointStore(run_dir, config.keep_checkpoints)
        self._loggers = Loggers(run_dir, config)
        self._display = Display(config.num_iterations, self.iterations, live)

    def __enter__(self) -> "Recorder":
        self._old_handler = signal.signal(signal.SIGINT, self._interrupted)
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._old_handler)
        self._display.stop()
        self._loggers.close()
        self._store.close()

    @property
    def elapsed_s(self) -> float:
        """Wall time of training so far, restored parts included."""
        return self._elapsed_before_s + time.perf_counter() - self._begun

    def goes_on(self) -> bool:
        limit_s = 60.0 * self._config.max_minutes
        in_time = limit_s <= 0 or self.elapsed_s < limit_s
        return in_time and not self.stop_asked and self.iterations < self._config.num_iterations

    @contextlib.contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Adds the time spent inside to `perf/<name>_ms` of the iteration."""
        begun = time.perf_counter()
        yield
        self._spent[name] += time.perf_counter() - begun

    def read(self, metrics: dict[str, jax.Array]) -> Metrics:
        """The iteration's metrics on the host: the one wait for the device."""
        return {name: float(value) for name, value in jax.device_get(metrics).items()}

    def iteration(self, metrics: Metrics, tally: Tally) -> None:
        """Counts and logs a finished iteration."""
        self.iterations += 1
        self._since_save += 1
        sums, episodes = jax.device_get((tally.finished, tally.episodes))
        self._add({name: float(value) for name, value in sums.items()}, float(episodes))
        if episodes:
            metrics |= {name: float(value) / float(episodes) for name, value in sums.items()}
        metrics |= self._performance()
        self._loggers.write(self.iterations, self.iterations * self._config.batch_size, metrics)
        self._display.show(self.iterations, metrics, self._mean("env/success_once"))

    def checkpoint_due(self) -> bool:
        return self._since_save >= self._config.checkpoint_every

    def save(self, state: RunState) -> None:
        """Writes a checkpoint, scored by the episodes that ended since the last one."""
        t = int(state.carry.t)
        step = self.iterations * self._config.batch_size + t * self._config.num_envs
        score = self._mean("env/success_once")
        if t == 0:
            self._best = max(self._best, score)
            self._tally, self._since_save = {}, 0
        counters = {
            "iterations": self.iterations,
            "elapsed_s": self.elapsed_s,
            "best": self._best,
            "tally": self._tally,
            "since_save": self._since_save,
        }
        meta = {
            "task": self._task.name,
            "obs_layout": [list(field) for field in self._task.obs_layout],
            "t": t,
            "counters": counters,
            "config": to_tree(self._config),
        }
        self._store.save(step, state, meta, score)

    def _add(self, sums: Metrics, episodes: float) -> None:
        for name, value in {**sums, "episodes": episodes}.items():
            self._tally[name] = self._tally.get(name, 0.0) + value

    def _mean(self, name: str) -> float:
        return self._tally.get(name, 0.0) / max(self._tally.get("episodes", 0.0), 1.0)

    def _performance(self) -> Metrics:
        """Times of the iteration; then the clocks start anew."""
        now = time.perf_counter()
        whole, self._iteration_begun = now - self._iteration_begun, now
        metrics = {f"perf/{name}_ms": 1e3 * spent for name, spent in self._spent.items()}
        metrics["perf/env_steps_per_s"] = self._config.batch_size / whole
        metrics["perf/sim_fraction"] = self._spent["sim"] / whole
        for name, spent in self._spent.items():
            self.total_spent[name] += spent
        self._spent = dict.fromkeys(self._spent, 0.0)
        return metrics

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self.stop_asked:
            raise KeyboardInterrupt
        self.stop_asked = True


def summary(recorder: Recorder, config: Config) -> str:
    """Speed of the whole run in one line."""
    share = {name: spent / recorder.elapsed_s for name, spent in recorder.total_spent.items()}
    steps = recorder.iterations * config.batch_size
    parts = ", ".join(f"{name} {value:.0%}" for name, value in share.items())
    return (
        f"{steps:,} control steps in {recorder.elapsed_s:.0f} s:"
        f" {steps / recorder.elapsed_s:,.0f} steps/s ({parts} of the time)"
    )
