"""From a film to clips: per scene the states to be drawn, and what is written on each picture."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from screwpush_jax.figure_names import in_words, with_value
from screwpush_jax.tasks.endings import SUCCESS, ended_by
from screwpush_jax.tasks.task import Task
from screwpush_sim.state import SimState


@dataclasses.dataclass(frozen=True)
class Caption:
    """What is written on one picture."""

    lines: tuple[str, ...]
    """Time and return, the task's own figures, the reward terms: the more important first."""
    ending: str = ""
    """What ended the episode, if this is its last picture."""
    won: bool = False


@dataclasses.dataclass(frozen=True)
class Clip:
    """One scene's pictures, on the host."""

    states: SimState  # leaves [T, ...]
    captions: tuple[Caption, ...]  # T


@dataclasses.dataclass(frozen=True)
class Maker:
    """Cuts films (`screwpush_jax.film.Film`, on the host) of one task."""

    task: Task
    control_dt_s: float

    def scene(self, film: Any, number: int) -> Clip:
        """All that is on film of one scene, episode after episode."""
        frames = jax.tree.map(lambda x: x[:, number], film.frames)
        return self._clip(frames, np.flatnonzero(frames.live & _sound(frames.state)))

    def episode(self, film: Any, number: int) -> Clip:
        """The first episode of one scene."""
        frames = jax.tree.map(lambda x: x[:, number], film.frames)
        (ends,) = np.nonzero(frames.ended)
        last = int(ends[0]) if ends.size else len(frames.ended) - 1
        shown = np.flatnonzero(frames.live & _sound(frames.state))
        return self._clip(frames, shown[shown <= last])

    def _clip(self, frames: Any, rows: np.ndarray) -> Clip:
        states = jax.tree.map(lambda x: x[rows], frames.state)
        return Clip(states, tuple(self._captions(frames, rows)))

    def _captions(self, frames: Any, rows: np.ndarray) -> Iterator[Caption]:
        figures = frames.figures
        for t in rows:
            now = {name: float(value[t]) for name, value in figures.items()}
            seconds = self.control_dt_s * now["episode_len"]
            lines = [f"{seconds:.1f} s   return {now['return']:.2f}"]
            caption = [with_value(name, f"{float(v[t]):.3f}") for name, v in frames.caption.items()]
            lines += ["   ".join(caption)] if caption else []
            terms = {n: v for n, v in now.items() if n.startswith("reward/")}
            lines += [f"{in_words(n.removeprefix('reward/'))} {v:.2f}" for n, v in terms.items()]
            ending = self.ending(figures, t) if frames.ended[t] else ""
            yield Caption(tuple(lines), ending, ending == SUCCESS)

    def ending(self, figures: Mapping[str, Any], at: int | tuple[int, ...]) -> str:
        """What ended an episode, in words, by its figures at its end."""
        return str(ended_by(self.task, {name: value[at] for name, value in figures.items()}))


def choose(returns: np.ndarray, succeeded: np.ndarray, count: int) -> list[int]:
    """At most `count` episodes that show most: the best and the worst by their return, and failures."""
    if not len(returns):
        return []
    order = np.argsort(-returns, kind="stable")
    failures = [int(n) for n in order[::-1] if not succeeded[n]]
    picked = dict.fromkeys([int(order[0]), int(order[-1]), *failures])
    return list(picked)[:count]


def _sound(state: SimState) -> np.ndarray:
    """Which instants `[T]` can be drawn: what blew up has numbers that are none."""
    leaves = [x.reshape(len(x), -1) for x in jax.tree.leaves(state)]
    return np.all([np.isfinite(x).all(axis=1) for x in leaves], axis=0)
