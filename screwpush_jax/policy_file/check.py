"""Holds an exported policy against the live one."""

import dataclasses
from collections.abc import Callable

import numpy as np

from screwpush_jax.errors import UsageError
from screwpush_jax.policy_file.controller import ACTION, OBSERVATION, Controller
from screwpush_jax.policy_file.formats import Loaded
from screwpush_jax.policy_file.recorded import Recorded, Rows

MOST_ACTION, MOST_CONTROL = 1e-5, 1e-4
"""Largest difference of a number of the network's output, and of a control (rad, N m) or memory."""


@dataclasses.dataclass(frozen=True)
class Differences:
    """The largest ones over all steps that were compared."""

    steps: int
    action: float
    """Of the network alone, at the same observations."""
    control: float
    """Of control and memory, from the same states and memories."""

    def sentence(self) -> str:
        return (
            f"over {self.steps:,} recorded observations the network differs by at most"
            f" {self.action:.1e}, the controls by {self.control:.1e}"
        )


def compare(loaded: Loaded, controller: Controller, recorded: Recorded, seen: Rows) -> Differences:
    """The exported functions on each recorded step, against what the live policy did there.

    Raises:
      UsageError: they differ by more than is allowed.
    """
    obs, steps = seen[OBSERVATION], len(seen[OBSERVATION])
    action = _largest(lambda m: _apart(loaded.network(obs[m]), seen[ACTION][m]), steps)
    names = [name for name in controller.outputs if name in recorded.after]
    outputs = list(controller.outputs)

    def step(m: int) -> float:
        result = loaded.controller(*(recorded.before[name][m] for name in controller.inputs))
        apart = [_apart(result[outputs.index(n)], recorded.after[n][m]) for n in names]
        return float(np.max(apart))

    differences = Differences(steps, action, _largest(step, steps))
    # written so that what is not a number is refused, too
    if not (differences.action <= MOST_ACTION and differences.control <= MOST_CONTROL):
        raise UsageError(
            f"the exported policy is not the live one: {differences.sentence()};"
            f" valid: at most {MOST_ACTION:.0e} and {MOST_CONTROL:.0e}"
        )
    return differences


def _largest(step: Callable[[int], float], steps: int) -> float:
    """Over all steps; one that is not a number is the largest, which `max` would pass over."""
    return float(np.max([step(m) for m in range(steps)]))


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.max(np.abs(one - other), initial=0.0))
