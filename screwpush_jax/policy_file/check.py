"""Holds an exported policy against the live one."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from screwpush_jax.errors import UsageError
from screwpush_jax.policy_file.controller import ACTION, CONTROL, OBSERVATION, Controller
from screwpush_jax.policy_file.formats import Loaded
from screwpush_jax.policy_file.recorded import Recorded, Rows

MOST_ACTION, MOST_CONTROL, MOST_MEMORY = 1e-5, 1e-4, 1e-3
"""Largest difference of a number of the network's output at equal observations, of a control (rad,
N m), and of what is remembered, such as an action (of which 1e-3 is a hundredth of a millimetre)."""


@dataclasses.dataclass(frozen=True)
class Differences:
    """The largest ones over all steps that were compared."""

    steps: int
    action: float
    """Of the network alone, at the same observations."""
    control: float
    """From the same states and memories."""
    memory: float
    """Of the next memory."""

    def sentence(self) -> str:
        return (
            f"over {self.steps:,} recorded observations the network differs by at most"
            f" {self.action:.1e}, the controls by {self.control:.1e}, the memory by"
            f" {self.memory:.1e}"
        )


def compare(loaded: Loaded, controller: Controller, recorded: Recorded, seen: Rows) -> Differences:
    """The exported functions on each recorded step, against what the live policy did there.

    Raises:
      UsageError: they differ by more than is allowed.
    """
    obs, steps = seen[OBSERVATION], len(seen[OBSERVATION])
    action = _largest(lambda m: _apart([loaded.network(obs[m])], [seen[ACTION][m]]), steps)
    names = list(controller.outputs)
    remembered = [name for name in names if name in recorded.after and name != CONTROL]

    def step(m: int) -> tuple[float, float]:
        inputs = (recorded.before[name][m] for name in controller.inputs)
        result = dict(zip(names, loaded.controller(*inputs), strict=True))
        control, memory = (
            _apart([result[name] for name in group], [recorded.after[name][m] for name in group])
            for group in ([CONTROL], remembered)
        )
        return control, memory

    control, memory = np.max([step(m) for m in range(steps)], axis=0)
    found = Differences(steps, action, float(control), float(memory))
    # written so that what is not a number is refused, too
    if not (action <= MOST_ACTION and control <= MOST_CONTROL and memory <= MOST_MEMORY):
        raise UsageError(
            f"the exported policy is not the live one: {found.sentence()}; valid: at most"
            f" {MOST_ACTION:.0e}, {MOST_CONTROL:.0e} and {MOST_MEMORY:.0e}"
        )
    return found


def _largest(step: Callable[[int], float], steps: int) -> float:
    """Over all steps; one that is not a number is the largest, which `max` would pass over."""
    return float(np.max([step(m) for m in range(steps)]))


def _apart(some: Sequence[Any], others: Sequence[Any]) -> float:
    """The largest difference of two lists of arrays."""
    pairs = zip(some, others, strict=True)
    return float(np.max([np.max(np.abs(a - b), initial=0.0) for a, b in pairs], initial=0.0))
