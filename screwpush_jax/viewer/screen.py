"""What shows a session to somebody, and hands over what that person asks for."""

from collections.abc import Callable
from typing import Protocol

from screwpush_jax.viewer.session import Session

Command = Callable[[Session], None]


class Screen(Protocol):
    """A page, or a window."""

    def is_open(self) -> bool:
        """Whether there is somebody to show anything to, or may come."""
        ...

    def commands(self, wait_s: float) -> list[Command]:
        """What was asked for since the last call; waits at most so long for the first."""
        ...

    def show(self, session: Session) -> None:
        """Shows where the session stands."""
        ...

    def close(self) -> None:
        """Ends it. May be called again."""
        ...
