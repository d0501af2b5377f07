"""What a policy was seen to be worth, with what is certain of it: checkpoints are ranked by that."""

import dataclasses
import math
from typing import Any

_Z95 = 1.959964


@dataclasses.dataclass(frozen=True)
class Score:
    """A metric's mean over episodes and the lower end of its 95 % interval; larger is better."""

    mean: float
    low: float
    count: int
    """Episodes it was seen over."""
    source: str
    """Where they come from: training, evaluation."""

    @classmethod
    def of_proportion(cls, mean: float, count: int, source: str) -> "Score":
        """The score of a yes-or-no metric (a success rate)."""
        return cls(mean, wilson_interval(mean, count)[0], count, source)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> "Score":
        """The inverse of `dataclasses.asdict`; a bare success rate counts as one episode's."""
        if len(tree) == 1:
            return cls.of_proportion(float(*tree.values()), 1, "training")
        return cls(float(tree["mean"]), float(tree["low"]), int(tree["count"]), str(tree["source"]))


def wilson_interval(rate: float, count: int) -> tuple[float, float]:
    """95 % interval of a proportion seen in `count` trials (Wilson 1927); (0, 1) of none."""
    if count == 0:
        return 0.0, 1.0
    shrink = 1.0 + _Z95**2 / count
    middle = (rate + _Z95**2 / (2 * count)) / shrink
    half = _Z95 / shrink * math.sqrt(rate * (1 - rate) / count + _Z95**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)
