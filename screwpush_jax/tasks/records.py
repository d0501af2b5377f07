"""What a task may have recorded of evaluated episodes, and the figures that it makes of that.

A task that has the two methods of `Recorded` (`optional.py`) gets its own part in the report of an evaluation; one
that has none of them is evaluated all the same. What is recorded is opaque to everyone else. A
figure is data: who draws it, and with what, is no task's business.

Legend: N episodes, K instants that are kept of each, M points.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class Records:
    """N episodes of one policy that have ended; host arrays, by the names that `watch` gives."""

    success: np.ndarray  # [N] bool, by the task's score
    path: Mapping[str, np.ndarray]
    """`[N, K, ...]` at instants evenly spaced from the start on; NaN after an episode's end."""
    last: Mapping[str, np.ndarray]
    """`[N, ...]` at the last instant at which the physics was sound."""

    def start(self, name: str) -> np.ndarray:
        """What `name` was when the episodes began, `[N, ...]`."""
        return self.path[name][:, 0]


@dataclasses.dataclass(frozen=True)
class Histogram:
    """How a number is distributed over episodes, for each policy."""

    title: str
    label: str
    """Of the number, with its unit."""
    values: Mapping[str, np.ndarray]  # [N] each, by policy
    marks: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Numbers to compare with, by name."""


@dataclasses.dataclass(frozen=True)
class Rates:
    """How the success rate depends on a number that is known at the start, for each policy."""

    title: str
    label: str
    values: Mapping[str, np.ndarray]  # [N] each, by policy
    success: Mapping[str, np.ndarray]  # [N] bool each, by policy


@dataclasses.dataclass(frozen=True)
class Map:
    """Places in a plane, seen from above: world x and y, metres."""

    title: str
    visited: np.ndarray
    """`[M, 2]`, shown as how often each place was."""
    visited_label: str
    points: Mapping[str, np.ndarray]  # [M, 2] each, by what they are
    outlines: Mapping[str, np.ndarray]  # [M, 2] corners of a closed line each, by what it is


Figure = Histogram | Rates | Map
