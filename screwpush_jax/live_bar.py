"""The bar at the bottom of a terminal, drawn by rich."""

import contextlib
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_NARROWEST = 60
"""Columns; in fewer the line does not fit."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """rich would end the process."""
        raise BrokenPipeError("nobody reads the output any more")


class LiveBar:
    """A bar from 0 to 1 with a few words; it is drawn by `show`, not by a thread of its own.

    In a thread an error would reach nobody who can act on it.
    """

    def __init__(self, file: TextIO | None = None):
        self._console = _Console(highlight=False, soft_wrap=True, file=file)
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("[green]success {task.fields[success]}"),
            TextColumn("{task.fields[speed]}"),
            TextColumn("[yellow]{task.fields[elapsed]}"),
            TextColumn("[cyan]{task.fields[left]} left"),
            console=self._console,
            auto_refresh=False,
        )
        self._bar = self._progress.add_task(
            "", total=1.0, success="-", speed="-", elapsed="0 s", left="-"
        )

    @property
    def fits(self) -> bool:
        """Whether the terminal can move its cursor and is wide enough."""
        console = self._console
        movable = console.is_terminal and not console.is_dumb_terminal
        return movable and console.width >= _NARROWEST

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        """Gives the terminal back; what cannot be drawn any more is left out."""
        with contextlib.suppress(Exception):
            self._progress.stop()

    def show(self, share: float, *, success: str, speed: str, elapsed: str, left: str) -> None:
        """Draws a share of 1 and the words beside it."""
        self._progress.update(
            self._bar, completed=share, success=success, speed=speed, elapsed=elapsed, left=left
        )
        self._progress.refresh()
