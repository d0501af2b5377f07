"""What several processes that train together have to agree on, once an iteration.

Where each waits for the others inside the update, none may stop alone. The answers are read an
iteration later, with its metrics, so nobody waits for them.
"""

from typing import Any

import jax
import numpy as np

from screwpush_jax import compiled
from screwpush_jax.errors import SplitError

CHECK_EVERY = 100
"""Iterations between two comparisons of what was learned, which has to be the same everywhere."""


class Accord:
    """The wishes of all processes, and whether their learners are one."""

    def __init__(self) -> None:
        self.signal, self.time_is_up = 0, False
        """What any process wants: to end as that signal asks, or because its time is over."""
        self._agree, self._sums = compiled.compile_agreement(), compiled.compile_checksums()
        self._asked: jax.Array | None = None
        self._compared: tuple[int, list[str], jax.Array] | None = None

    def ask(self, iteration: int, signal: int, time_is_up: bool, learner: Any) -> None:
        """Says what this process wants; all do so after each iteration, and none waits."""
        self._asked = self._agree(np.array([signal, time_is_up], np.int32))
        if iteration == 1 or iteration % CHECK_EVERY == 0:
            self.compare(iteration, learner)

    def compare(self, iteration: int, learner: Any) -> None:
        """Has the learners compared."""
        paths = jax.tree_util.tree_leaves_with_path(learner)
        names = [jax.tree_util.keystr(path) for path, _ in paths]
        self._compared = iteration, names, self._sums(learner)

    def hear(self) -> None:
        """Takes up the answers to what was asked last.

        Raises:
          SplitError: the learners differ.
        """
        if self._asked is not None:
            signal, time_is_up = np.asarray(self._asked).tolist()
            self.signal, self.time_is_up = signal, bool(time_is_up)
            self._asked = None
        if self._compared is not None:
            iteration, names, sums = self._compared
            self._compared = None
            _check_same(iteration, names, np.asarray(sums))


def _check_same(iteration: int, names: list[str], sums: np.ndarray) -> None:
    differs = (sums != sums[0]).any(axis=0)
    if differs.any():
        wrong = [name for name, one in zip(names, differs, strict=True) if one]
        others = np.flatnonzero((sums != sums[0]).any(axis=1)).tolist()
        raise SplitError(
            f"after iteration {iteration} the processes have learned different things: {wrong[0]}"
            f"{f' and {len(wrong) - 1} more' if len(wrong) > 1 else ''} of process"
            f" {', '.join(map(str, others))} is not that of process 0; go on from the last checkpoint"
        )
