"""What is counted of watched scenes: how episodes ended, and the reward terms of the running ones."""

import collections
from collections.abc import Mapping, Sequence

import numpy as np

from screwpush_jax.score import wilson_interval
from screwpush_jax.tasks.endings import SUCCESS

_RECENT = 20


class Scoreboard:
    """Ended episodes by how they ended."""

    def __init__(self) -> None:
        self.endings: collections.Counter[str] = collections.Counter()
        self._recent: collections.deque[str] = collections.deque(maxlen=_RECENT)

    def add(self, ending: str) -> None:
        self.endings[ending] += 1
        self._recent.append(ending)

    @property
    def episodes(self) -> int:
        return self.endings.total()

    @property
    def successes(self) -> int:
        return self.endings[SUCCESS]

    def lines(self) -> list[str]:
        """For people, without markup."""
        if not self.episodes:
            return ["no episode has ended yet"]
        rate = self.successes / self.episodes
        low, high = wilson_interval(rate, self.episodes)
        said = [
            f"{self.successes} of {self.episodes} episodes succeeded",
            f"{rate:.0%} (95 % interval {low:.0%} to {high:.0%})",
        ]
        if self.episodes > _RECENT:
            said.append(f"{self._recent.count(SUCCESS)} of the last {_RECENT}")
        others = [(name, n) for name, n in self.endings.most_common() if name != SUCCESS]
        return [*said, *(f"{name}: {count}" for name, count in others)]


class RewardTrack:
    """Reward terms of one scene's running episode, summed up to each step."""

    def __init__(self, terms: Sequence[str]):
        self.terms = tuple(terms)
        self._sums: list[list[float]] = []
        self.restart()

    def restart(self) -> None:
        self._sums = [[0.0] * len(self.terms)]

    def add(self, figures: Mapping[str, np.ndarray], scene: int) -> None:
        self._sums.append([float(figures[f"reward/{name}"][scene]) for name in self.terms])

    def sums(self) -> np.ndarray:
        """`[T + 1, K]`: of each term from the episode's beginning to each step."""
        return np.array(self._sums).reshape(-1, len(self.terms))

    def steps(self) -> np.ndarray:
        """`[T + 1, K]`: of each term what each step brought."""
        return np.diff(self.sums(), axis=0, prepend=0.0)
