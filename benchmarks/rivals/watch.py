"""What is seen of a training: success over wall time, and policies that are kept to be judged later."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from screwpush_jax import compiled
from screwpush_jax.config import Config
from screwpush_jax.doors.batch import Autoreset, Batch, Step
from screwpush_sim.physics import Name

Policy = Callable[[Any], Any]
"""From observations `[N, O]` to actions `[N, A]`, without noise: tensors, or for ours JAX's arrays."""
_SAMPLE_EVERY_S = 0.5
_WINDOW = 2000
"""Episodes whose success rate says that a level was reached."""


class TimeUpError(Exception):
    """Training has lasted as long as it may; it ends in the middle of a rollout."""


@dataclasses.dataclass
class Point:
    """Where a training stands."""

    s: float
    """Wall time since it began."""
    env_steps: int
    episodes: int
    """Ended since it began."""
    successes: int


class Watch:
    """A stop-watch with notes.

    Args:
      limit_s: how long training may last.
      keep_at_s: when policies are kept.
    """

    def __init__(self, limit_s: float, keep_at_s: Sequence[float]):
        self.limit_s = limit_s
        self.points: list[Point] = []
        self.policies: list[tuple[float, Policy]] = []
        self._keep_at_s = sorted(s for s in keep_at_s if s < limit_s)
        self._begun_s = 0.0

    def begin(self) -> None:
        self._begun_s = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self._begun_s

    @property
    def is_over(self) -> bool:
        return self.elapsed_s >= self.limit_s

    def sample_due(self) -> bool:
        return self.elapsed_s - (self.points[-1].s if self.points else 0.0) >= _SAMPLE_EVERY_S

    def note(self, env_steps: int, episodes: int, successes: int) -> None:
        self.points.append(Point(self.elapsed_s, env_steps, episodes, successes))

    def keep_due(self) -> bool:
        return len(self.policies) < sum(s <= self.elapsed_s for s in self._keep_at_s)

    def keep(self, policy: Policy) -> None:
        self.policies.append((self.elapsed_s, policy))


def windows(points: Sequence[Point], size: int = _WINDOW) -> list[tuple[float, float]]:
    """`(s, success rate)` over the newest episodes, at least `size` of them, at each point that has them."""
    found, first = [], 0
    for last, point in enumerate(points):
        while first + 1 < last and point.episodes - points[first + 1].episodes >= size:
            first += 1
        episodes = point.episodes - points[first].episodes
        if episodes >= size:
            found.append((point.s, (point.successes - points[first].successes) / episodes))
    return found


def reached_s(curve: Sequence[tuple[float, float]], level: float) -> float | None:
    """When the curve was at `level` for the first time; None if it never was."""
    return next((s for s, rate in curve if rate >= level), None)


class CountedBatch(Batch):
    """Counts ended episodes and successes, and keeps what each environment's newest one came to."""

    def __init__(self, config: Config, physics: Name = "train", autoreset: Autoreset = "same_step"):
        super().__init__(config, physics, autoreset)
        self._tally = compiled.jit(_tally)
        self.counts = jnp.zeros(2, jnp.int32)
        self.newest = jnp.zeros((len(self.figure_names), self.num_envs))

    def step(self, action: jax.Array) -> Step:
        step = super().step(action)
        score = self.figure_names.index(self.task.score)
        self.counts, self.newest = self._tally(score, self.counts, self.newest, step)
        return step


class WatchedBatch(CountedBatch):
    """Ends a training by `TimeUpError` when its watch says so.

    `snapshot` is asked for the policy when one is to be kept; nothing is watched before `begin`.
    """

    def __init__(self, config: Config, watch: Watch):
        super().__init__(config)
        self._watch = watch
        self._snapshot: Callable[[], Policy] | None = None
        self._total_steps = 0

    def begin(self, snapshot: Callable[[], Policy]) -> None:
        """To be called when all is built and compiled."""
        self.counts = jnp.zeros(2, jnp.int32)
        self._snapshot, self._total_steps = snapshot, 0
        self._watch.begin()

    def step(self, action: jax.Array) -> Step:
        step = super().step(action)
        self._total_steps += 1
        watch, snapshot = self._watch, self._snapshot
        if snapshot is None:
            return step
        if watch.sample_due() or watch.is_over:
            episodes, successes = map(int, jax.device_get(self.counts))
            watch.note(self._total_steps * self.num_envs, episodes, successes)
        if watch.is_over:
            watch.keep(snapshot())
            raise TimeUpError
        if watch.keep_due():
            watch.keep(snapshot())
        return step


def _tally(
    score: int, counts: jax.Array, newest: jax.Array, step: Step
) -> tuple[jax.Array, jax.Array]:
    ended = step.terminated | step.truncated
    success = ended & (step.figures[score] > 0)
    more = jnp.stack([jnp.sum(ended, dtype=jnp.int32), jnp.sum(success, dtype=jnp.int32)])
    return counts + more, jnp.where(ended, step.figures, newest)
