"""What a task may bring beside what `task.py` asks of every one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax

from screwpush_jax.tasks.drawing import Drawing
from screwpush_jax.tasks.parts import SetLayout
from screwpush_jax.tasks.records import Figure, Records
from screwpush_sim.state import SimState


class ActionAxis(NamedTuple):
    """What one number of the action does: at 1, `scale` in `unit`; it is clipped to [-1, 1]."""

    name: str
    unit: str
    scale: float


@runtime_checkable
class Exportable(Protocol):
    """Can be taken elsewhere as a controller, where no start states are."""

    @property
    def action_axes(self) -> tuple[ActionAxis, ...]:
        """One for each of the action's numbers."""
        ...

    def begin(self, state: SimState) -> Any:
        """The memory `[N, ...]` of episodes that begin in `state`."""
        ...


@runtime_checkable
class WithSets(Protocol):
    """Shows members of equal kind, in no order, so that one policy acts whatever their number.

    Of a set `obs_layout` has the rows of its first member alone, behind all else.
    """

    @property
    def obs_sets(self) -> Mapping[str, SetLayout]:
        """Where they stand, by the name of the observation; an observation may have none."""
        ...


def obs_sets(task: Any) -> Mapping[str, SetLayout]:
    """The sets in what `task` shows, by the name of the observation; most have none."""
    return task.obs_sets if isinstance(task, WithSets) else {}


@runtime_checkable
class Captioned(Protocol):
    """Has live figures that a video shows beside time, return and reward terms."""

    def caption(self, memory: Any, derived: Any) -> dict[str, jax.Array]:
        """Figures `[N]` of this instant by name, units at the names' ends."""
        ...


@runtime_checkable
class Drawn(Protocol):
    """Has lines and labels of its own in what a viewer shows."""

    def draw(self, memory: Any, derived: Any) -> Sequence[Drawing]:
        """What is drawn into each of N scenes. Runs on the host: the arrays `[N, ...]` are NumPy's."""
        ...


@runtime_checkable
class Recorded(Protocol):
    """A task that says what is to be recorded, and what came of it."""

    def watch(self, derived: Any) -> dict[str, jax.Array]:
        """What is followed of this instant, `[N, ...]` float32 each; a pure function."""
        ...

    def report(self, by_policy: Mapping[str, Records], /) -> Sequence[Figure]:
        """Figures of what came of it; the first policy is the learned one."""
        ...
