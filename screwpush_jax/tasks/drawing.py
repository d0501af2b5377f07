"""What a task draws into a scene for people, as plain data: lines with a text, and texts alone.

World frame of the scene, metres; colours are red, green, blue from 0 to 1.
"""

import dataclasses

import numpy as np

Color = tuple[float, float, float]

GOOD: Color = (0.20, 0.75, 0.30)
BAD: Color = (0.95, 0.45, 0.10)
PLAIN: Color = (0.35, 0.60, 0.95)


@dataclasses.dataclass(frozen=True)
class Line:
    """A straight line, `text` at its middle."""

    start_w: np.ndarray  # [3] m
    end_w: np.ndarray  # [3] m
    color: Color = PLAIN
    text: str = ""

    @property
    def middle_w(self) -> np.ndarray:
        """Where the text stands, `[3]` m."""
        return (self.start_w + self.end_w) / 2


@dataclasses.dataclass(frozen=True)
class Label:
    """A text alone."""

    pos_w: np.ndarray  # [3] m
    text: str


@dataclasses.dataclass(frozen=True)
class Drawing:
    """All of one scene."""

    lines: tuple[Line, ...] = ()
    labels: tuple[Label, ...] = ()
