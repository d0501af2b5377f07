"""What a task may bring beside what `task.py` asks of every one."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

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
