"""The host's memory of a run: counters, clocks, budget, metrics, checkpoints."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from screwpush_jax import checkpoint, compiled, dist
from screwpush_jax.accord import Accord
from screwpush_jax.build import World
from screwpush_jax.checkpoint import CheckpointStore, RunState
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config, to_tree
from screwpush_jax.display import Display
from screwpush_jax.episode_sums import EpisodeSums
from screwpush_jax.errors import DivergedError, UsageError
from screwpush_jax.filming.films import TrainingFilms
from screwpush_jax.forecast import until
from screwpush_jax.loggers.run_loggers import Loggers
from screwpush_jax.newest_episodes import NewestEpisodes, reached
from screwpush_jax.phases import phases
from screwpush_jax.stopping import Stopper, drop_output
from screwpush_jax.transition import EPISODES

Metrics = dict[str, float]


class Recorder:
    """Follows one run; knows nothing of physics or learning."""

    def __init__(
        self,
        config: Config,
        world: World,
        run_dir: Path,
        found: Found | None,
        stopper: Stopper,
        live: bool,
        after_s: float = 0.0,
    ):
        """`after_s`: what comes after training takes about so long, for the time that is left."""
        self._config, self._world, self._run_dir = config, world, run_dir
        self.stopper, self.after_s = stopper, after_s
        counters: dict[str, Any] = found.meta["counters"] if found else {}
        self.iterations = int(counters.get("iterations", 0))
        self._elapsed_before_s = float(counters.get("elapsed_s", 0.0))
        self._sums = EpisodeSums(counters.get("tally", {}))
        self._newest = NewestEpisodes(counters.get("newest_episodes", ()))
        self._since_save = int(counters.get("since_save", 0))
        # a run that goes on and does nothing more is saved already
        self._saved_step = found.step if found and found.run_dir == run_dir else None
        self._begun, self._ended = time.perf_counter(), 0.0
        self._pending: tuple[dict[str, jax.Array], Callable[[], Metrics]] | None = None
        self.total_ms: Metrics = {}
        self._accord = Accord() if dist.count() > 1 else None
        self._store = self._loggers = None
        if dist.index() == 0:  # of several processes one writes
            self._store = CheckpointStore(run_dir, config.keep_checkpoints)
            self._loggers = Loggers(
                *(run_dir, config, self.iterations * config.batch_size, world.sim.spec.engine),
                (f"env/{world.task.score}", "env/return"),
            )
        self.films = TrainingFilms(config, world, run_dir)
        """Whoever steps the environments shows them to it."""
        self._display = Display(
            config.num_iterations,
            config.max_minutes,
            self.iterations,
            self._elapsed_before_s,
            live,
            after_s,
            config.stop_at_success,
        )

    def __enter__(self) -> "Recorder":
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = time.perf_counter()  # what comes now is not training
        self._display.stop()
        self.films.close(at_once=self.stopper.requested)
        for written in (self._loggers, self._store):
            if written is not None:
                written.close()

    def start_clock(self) -> None:
        """Starts the clock of training: everything is compiled."""
        with self._stop_when_unread():
            compiled_s = time.perf_counter() - self._begun
            print(f"compiled in {compiled_s:.1f} s; training {until(self._config, self.after_s)}")
        self._begun = time.perf_counter()

    @contextlib.contextmanager
    def _stop_when_unread(self) -> Iterator[None]:
        """Around what is printed: where nobody reads it any more, the run is asked to stop."""
        try:
            yield
        except BrokenPipeError:  # `train | head`
            drop_output()
            self.stopper.request(signal.SIGPIPE)

    @property
    def elapsed_s(self) -> float:
        """Wall time of training so far, restored parts included."""
        return self._elapsed_before_s + (self._ended or time.perf_counter()) - self._begun

    def should_continue(self) -> bool:
        """Whether another iteration begins: of several processes all say the same."""
        if self._accord is None:
            wanted = not self._time_is_up() and not self.stopper.requested
        else:
            wanted = not self._accord.time_is_up and not self._accord.signal
        unfinished = self.iterations < self._config.num_iterations
        return wanted and unfinished and not self.reached_goal()

    @property
    def stops_here(self) -> bool:
        """Whether the run ends inside a rollout: alone as soon as it is asked to."""
        return self._accord is None and self.stopper.requested

    def _time_is_up(self) -> bool:
        limit_s = 60.0 * self._config.max_minutes
        return 0 < limit_s <= self.elapsed_s

    def reached_goal(self) -> bool:
        """Whether the success is reached at which training ends."""
        return reached(self._config.stop_at_success, self._newest.low(self.iterations))

    def iteration(
        self,
        metrics: dict[str, jax.Array],
        report: Callable[[], Metrics],
        learner: Any = None,
    ) -> None:
        """Counts a finished iteration, which led to `learner`, and logs the one before.

        So the host waits for an iteration only when the next one is under way on the device.
        """
        self.flush()
        self.iterations += 1
        self._since_save += 1
        self._pending = metrics, report
        if self._accord is not None:
            signal_number = self.stopper.signal or 0
            self._accord.ask(self.iterations, signal_number, self._time_is_up(), learner)
        self.films.iteration(self.iterations)

    def flush(self) -> None:
        """Reads and logs the newest iteration: the one wait for the device.

        Raises:
          SplitError: processes that train together have learned different things.
          UsageError: what should say whether an episode of the task succeeded is no such metric.
        """
        if self._pending is None:
            return
        if self._accord is not None:
            self._accord.hear()
            if self._accord.signal:
                self.stopper.request(self._accord.signal)
        on_device, report = self._pending
        self._pending = None
        metrics = {name: float(value) for name, value in jax.device_get(on_device).items()}
        episodes = metrics.pop(EPISODES)
        means = {name: value for name, value in metrics.items() if name.startswith("env/")}
        self._sums.add(means, episodes)
        task = self._world.task
        success = metrics.get(f"env/{task.score}") if episodes else None
        if success is not None and math.isfinite(success) and not 0.0 <= success <= 1.0:
            raise UsageError(
                f"--task {task.name}: its score {task.score!r} was {success:g} in the mean; valid: a"
                " metric that is 0 or 1 for each episode"
            )
        self._newest.add(self.iterations, episodes, math.nan if success is None else success)
        if not episodes:
            metrics = {name: value for name, value in metrics.items() if name not in means}
        metrics |= self._performance(report())
        if self._loggers is not None:
            steps = self.iterations * self._config.batch_size
            self._loggers.write(self.iterations, steps, metrics)
        with self._stop_when_unread():
            low = self._newest.low(self.iterations + 1)
            self._display.show(self.iterations, self.elapsed_s, success, metrics, low)

    def checkpoint_due(self) -> bool:
        return self._since_save >= self._config.checkpoint_every

    def save(self, state: RunState) -> None:
        """Writes a checkpoint, scored by the episodes that ended since the last one.

        Raises:
          CheckpointError: it could not be written.
          DivergedError: what was learned is not finite; the checkpoints before it stay.
        """
        self.flush()
        task, t = self._world.task, int(state.carry.t)
        step = self.iterations * self._config.batch_size + t * self._config.all_envs
        if step == self._saved_step:
            return
        if not compiled.is_finite(state.learner):
            raise DivergedError(
                f"after {step:,} control steps the learner is not finite any more, which is not"
                f" saved; what is in {self._run_dir} stays (a smaller"
                f" --{self._config.algorithm}.learning-rate or"
                f" --{self._config.algorithm}.max-grad-norm may help)"
            )
        score = self._sums.score(f"env/{task.score}")
        if t == 0:
            self._sums.forget()
            self._since_save = 0
        counters = {
            "iterations": self.iterations,
            "elapsed_s": self.elapsed_s,
            "tally": self._sums.to_json(),
            "since_save": self._since_save,
            "newest_episodes": self._newest.to_json(),
        }
        meta = {
            "run": self._run_dir.name,
            "task": task.name,
            "engine": self._world.sim.spec.engine,
            "obs_layout": [list(field) for field in task.obs_layout],
            "t": t,
            "counters": counters,
            "config": to_tree(self._config),
        }
        others = checkpoint.gather(state) if dist.count() > 1 else None
        if self._store is not None:
            self._store.save(step, state, meta, score, *([] if others is None else [others]))
        self._saved_step = step

    def _performance(self, report: Metrics) -> Metrics:
        """The iteration's phases, and what follows from them."""
        report = phases(report)
        whole_ms = max(report["perf/iteration_ms"], 1e-6)
        for name, value in report.items():
            if name.endswith("_ms"):
                self.total_ms[name] = self.total_ms.get(name, 0.0) + value
        return report | {
            "perf/env_steps_per_s": 1e3 * self._config.batch_size / whole_ms,
            "perf/sim_fraction": report["perf/sim_ms"] / whole_ms,
        }


def summary(recorder: Recorder, config: Config) -> str:
    """Speed of the whole run in one line."""
    names = ("sim", "transition", "update")
    spent_ms = [recorder.total_ms.get(f"perf/{name}_ms", 0.0) for name in ("iteration", *names)]
    steps = recorder.iterations * config.batch_size
    parts = ", ".join(
        f"{name} {part_ms / max(spent_ms[0], 1e-6):.0%}"
        for name, part_ms in zip(names, spent_ms[1:], strict=True)
    )
    return (
        f"{steps:,} control steps in {recorder.elapsed_s:.0f} s:"
        f" {steps / recorder.elapsed_s:,.0f} steps/s ({parts} of the time)"
    )
