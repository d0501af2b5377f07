"""How often the newest episodes of training succeeded: what `stop_at_success` goes by."""

import math
from collections.abc import Sequence

from screwpush_jax.score import wilson_interval

WINDOW = 1000
"""Episodes that are looked at; at a rate of 0.96 their interval reaches 1.4 points down."""


class NewestEpisodes:
    """Episodes and successes of the newest iterations, no more of them than the window takes.

    The host hears of an iteration while the next one runs, so the question is always how it stood
    before an iteration: a run that was stopped and goes on then ends where an unbroken one ends.
    """

    def __init__(self, saved: Sequence[Sequence[float]] = ()):
        """`saved` is what `to_json` gave before, or empty."""
        self._rows = [(int(i), float(n), float(k)) for i, n, k in saved]

    def add(self, iteration: int, episodes: float, rate: float) -> None:
        """Takes up so many episodes that ended in an iteration; there may be none."""
        if episodes > 0 and math.isfinite(rate):
            self._rows.append((iteration, episodes, rate * episodes))
        while sum(n for _, n, _ in self._rows[1:-1]) >= WINDOW:  # without the newest, as `low` may
            self._rows.pop(0)

    def low(self, before: int) -> float:
        """Lower end of the 95 % interval of the success rate before an iteration.

        Over the newest iterations that hold a window's episodes together; 0 while there are fewer.
        Asked after each iteration, it is reached by luck more often than 2.5 % of the time.
        """
        episodes = successes = 0.0
        for iteration, n, k in reversed(self._rows):
            if iteration < before:
                episodes, successes = episodes + n, successes + k
                if episodes >= WINDOW:
                    return wilson_interval(min(successes / episodes, 1.0), int(episodes))[0]
        return 0.0

    def to_json(self) -> list[list[float]]:
        return [list(row) for row in self._rows]


def reached(goal: float, low: float) -> bool:
    """Whether the goal `stop_at_success` is reached; 0 is none."""
    return 0.0 < goal <= low
