"""The page in the browser: the scenes by mjviser, the panel and the drawings by viser."""

import contextlib
import getpass
import importlib
import io
import queue
import socket
import time
from typing import Any, final

from screwpush_jax.errors import UsageError
from screwpush_jax.viewer.overlay import Overlay
from screwpush_jax.viewer.panel import Panel
from screwpush_jax.viewer.screen import Command
from screwpush_jax.viewer.session import Session
from screwpush_sim.grid import SceneGrid

_PANEL_EVERY_S = 0.25
"""Texts and the plot need not be newer than this."""


def check_installed() -> None:
    """Raises UsageError where there is nothing to make a page with."""
    try:
        importlib.import_module("viser")
        importlib.import_module("mjviser")
    except ImportError as error:
        raise UsageError(
            "--view needs the extra `view`: pip install 'screwpush-jax[view]'"
            f" ({' '.join(str(error).split())})"
        ) from None


def check_address(host: str, port: int) -> None:
    """Raises UsageError where no page can be served."""
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--host {host} --port {port}: no page can be served there ({said}); valid: an address"
            " of this machine and a free port, 0 for any"
        ) from None


def how_to_reach(host: str, port: int) -> list[str]:
    """What a person has to type, here and from another machine."""
    everywhere = host in ("", "0.0.0.0", "::")
    shown = "localhost" if everywhere else host
    lines = [f"open http://{shown}:{port} in a browser; Ctrl-C ends it"]
    if everywhere:
        return [*lines, "whoever reaches this machine can see and command it"]
    there = f"{getpass.getuser()}@{socket.gethostname()}"
    tunnel = f"ssh -L {port}:{shown}:{port} {there}"
    return [*lines, f"from another machine, first: {tunnel}"]


@final
class Page:
    """A `Screen` for any number of browsers, which all see and command the same session."""

    def __init__(self, session: Session, grid: SceneGrid, host: str, port: int):
        viser: Any = importlib.import_module("viser")
        mjviser: Any = importlib.import_module("mjviser")
        with contextlib.redirect_stdout(io.StringIO()):  # what it prints says less than we do
            self._server = viser.ViserServer(host=host, port=port, verbose=False)
        # nobody who has the page can publish it
        self._server.request_share_url = lambda *_, **__: None
        self._server.gui.configure_theme(show_share_button=False, control_width="large")
        self._asked: queue.SimpleQueue[Command] = queue.SimpleQueue()
        grid.use_plain_colors()
        self._grid = grid
        self._scenes = mjviser.ViserMujocoScene(self._server, grid.model, len(grid.offsets_w))
        self._scenes.camera_tracking_enabled = False
        self._overlay = Overlay(self._server, grid)
        self._panel = Panel(self._server, session, grid, self._asked.put)
        self._panel_s = float("-inf")
        self.port: int = self._server.get_port()

    def is_open(self) -> bool:
        return True

    def commands(self, wait_s: float) -> list[Command]:
        asked: list[Command] = []
        with contextlib.suppress(queue.Empty):
            asked.append(
                self._asked.get(timeout=wait_s) if wait_s > 0 else self._asked.get_nowait()
            )
            while True:
                asked.append(self._asked.get_nowait())
        return asked

    def show(self, session: Session) -> None:
        poses = self._grid.poses(session.state)
        with self._server.atomic():
            self._scenes.update_from_arrays(*poses)
            self._overlay.show(session, self._panel.draws())
        if session.paused or time.perf_counter() - self._panel_s > _PANEL_EVERY_S:
            self._panel.show(session)
            self._panel_s = time.perf_counter()

    def close(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self._server.stop()
