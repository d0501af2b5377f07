"""Runs a session in real time in front of a screen, until it is closed or Ctrl-C."""

import time
from collections.abc import Callable

from screwpush_jax.viewer.screen import Screen
from screwpush_jax.viewer.session import Session

_SHOW_EVERY_S = 1 / 30
"""No screen is drawn more often."""


def run(session: Session, screen: Screen, clock: Callable[[], float] = time.perf_counter) -> None:
    """Runs until the screen is closed or the process is interrupted.

    Raises:
      SimError: the physics failed.
    """
    shown_s, changed = float("-inf"), True
    try:
        while screen.is_open():
            now_s = clock()
            if changed and now_s - shown_s >= _SHOW_EVERY_S:
                screen.show(session)
                shown_s, changed = now_s, False
            for command in screen.commands(session.wait_s(now_s)):
                command(session)
                changed = True
            changed |= session.tick(clock())
    except KeyboardInterrupt:
        pass  # how one leaves
