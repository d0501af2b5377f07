"""The host's sums over the episodes that ended since the last checkpoint: what scores the next one."""

import math
from collections.abc import Mapping

from screwpush_jax.score import Score

_EPISODES = "episodes"


class EpisodeSums:
    """Sums by metric name, and how many episodes they are of; whatever the metrics are called."""

    def __init__(self, saved: Mapping[str, float]):
        """`saved` is what `to_json` gave before, or empty."""
        self._sums = dict(saved)

    def add(self, means: Mapping[str, float], episodes: float) -> None:
        """Takes up the means over so many episodes."""
        sums = {name: mean * episodes for name, mean in means.items()}
        for name, value in {**sums, _EPISODES: episodes}.items():
            if math.isfinite(value):  # one that is not would stay for ever
                self._sums[name] = self._sums.get(name, 0.0) + value

    def score(self, metric: str) -> Score:
        """Of a yes-or-no metric."""
        count = self._sums.get(_EPISODES, 0.0)
        mean = self._sums.get(metric, 0.0) / max(count, 1.0)
        return Score.of_proportion(mean, int(count), "training")

    def forget(self) -> None:
        self._sums = {}

    def to_json(self) -> dict[str, float]:
        return dict(self._sums)
