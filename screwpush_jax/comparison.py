"""Runs side by side: grouped where only the seed differs, and the means of their curves.

Legend: P points of a curve.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from screwpush_jax.run_data import Run

_POINTS = 200
"""Of a mean curve."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seeds."""

    label: str
    runs: tuple[Run, ...]

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.runs[0].settings


def group(runs: Sequence[Run]) -> list[Group]:
    """Runs with equal settings together, in the order in which the first of each was given."""
    groups: list[list[Run]] = []
    for run in runs:
        same = next((g for g in groups if g[0].settings == run.settings), None)
        groups.append([run]) if same is None else same.append(run)
    return [Group(label, tuple(g)) for label, g in zip(_labels(), groups, strict=False)]


def _labels() -> Iterator[str]:
    """A, B, .. Z, AA, AB, .."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product("ABCDEFGHIJKLMNOPQRSTUVWXYZ", repeat=length))


def differences(groups: Sequence[Group]) -> dict[str, list[Any]]:
    """The settings in which groups differ, by flag: one value for each; None where it has none."""
    names = dict.fromkeys(name for g in groups for name in g.settings)
    values = {name: [g.settings.get(name) for g in groups] for name in names}
    return {name: row for name, row in values.items() if any(v != row[0] for v in row)}


def mean_curve(
    curves: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Abscissa, mean, lowest and highest `[P]` of curves `[P_i, 2]`, where all of them are known.

    Nothing is left where they do not overlap, or one is empty.
    """
    low = max((c[0, 0] for c in curves if len(c)), default=0.0)
    high = min((c[-1, 0] for c in curves if len(c)), default=-1.0)
    if high < low or not all(map(len, curves)):
        none = np.zeros(0)
        return none, none, none, none
    x = np.linspace(low, high, _POINTS if high > low else 1)
    y = np.stack([np.interp(x, *c.T) for c in curves])
    return x, np.mean(y, axis=0), np.min(y, axis=0), np.max(y, axis=0)
