"""The native window: the same scenes and commands as the page, on keys."""

import contextlib
import queue
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, final

import numpy as np

from screwpush_jax.tasks.drawing import BAD, GOOD
from screwpush_jax.viewer.cameras import looks
from screwpush_jax.viewer.screen import Command
from screwpush_jax.viewer.session import Session
from screwpush_sim.grid import SceneGrid

if TYPE_CHECKING:
    from screwpush_sim.window import Stroke

_RUNNING = 0.55, 0.58, 0.62
_BORDER_M = 0.006
_SAY_EVERY_S = 0.25
_HELP = (
    "space: pause\nright: step\nbackspace: reset\nup, down: speed\nF8: policy\nF9: checkpoint\n"
    "F10: follow\nF11: drawings\nF12: scene of the plot"
)


@final
class Window:
    """A `Screen`."""

    def __init__(self, grid: SceneGrid):
        """Raises RendererUnavailableError where no window can be opened."""
        from screwpush_sim import window

        self._kit, self._window = window, window.SceneWindow(grid)
        self._borders, self._offsets = grid.borders_w(), grid.offsets_w
        look = next(iter(looks(grid).values()))
        self._window.look(look.pos_w, look.target_w)
        self._with_drawings, self._plotted, self._said_s = True, 0, float("-inf")
        self._keys: dict[int, Command] = {
            32: Session.toggle_pause,
            262: Session.single_step,
            259: Session.reset,
            265: lambda session: session.set_speed(2.0 * session.speed),
            264: lambda session: session.set_speed(0.5 * session.speed),
            297: lambda session: session.choose_policy(
                _after(session.policy_name, session.stage.policies)
            ),
            298: _next_checkpoint,
            299: lambda session: session.set_follow(not session.follow),
            300: lambda session: setattr(self, "_with_drawings", not self._with_drawings),
            301: lambda session: setattr(
                self, "_plotted", (self._plotted + 1) % len(session.tracks)
            ),
        }

    def is_open(self) -> bool:
        return self._window.is_open()

    def commands(self, wait_s: float) -> list[Command]:
        with contextlib.suppress(queue.Empty):
            keys = self._window.keys
            key = keys.get(timeout=wait_s) if wait_s > 0 else keys.get_nowait()
            return [self._keys[key]] if key in self._keys else []
        return []

    def show(self, session: Session) -> None:
        if session.paused or time.perf_counter() - self._said_s > _SAY_EVERY_S:
            self._say(session)
            self._said_s = time.perf_counter()
        self._window.show(session.state, list(self._strokes(session)))

    def _say(self, session: Session) -> None:
        track = session.tracks[self._plotted]
        sums = track.sums()
        time_s = np.arange(len(sums)) * session.stage.spec.control_dt_s
        title = f"reward of scene {self._plotted + 1}, summed"
        plot = self._kit.Plot(title, track.terms, time_s, sums)
        self._window.say(("\n".join(session.lines()), _HELP), plot)

    def close(self) -> None:
        self._window.close()

    def _strokes(self, session: Session) -> Iterator["Stroke"]:
        make = self._kit.Stroke
        for scene, corners in enumerate(self._borders):
            said = session.endings[scene]
            color = (GOOD if session.has_won(scene) else BAD) if said else _RUNNING
            for number in range(4):
                text = "" if number else session.title(scene)
                yield make(corners[number], corners[(number + 1) % 4], color, text, _BORDER_M)
        drawings = session.drawings() if self._with_drawings else ()
        for drawing, offset in zip(drawings, self._offsets, strict=False):
            for line in drawing.lines:
                yield make(line.start_w + offset, line.end_w + offset, line.color, line.text)
            for label in drawing.labels:
                place = label.pos_w + offset
                yield make(place, place, (1.0, 1.0, 1.0), label.text, 0.0)


def _after(name: str, names: tuple[str, ...]) -> str:
    """The one after `name`, and the first after the last or an unknown one."""
    return names[(names.index(name) + 1) % len(names)] if name in names else names[0]


def _next_checkpoint(session: Session) -> None:
    steps = session.checkpoints.names()[2:]  # without "latest" and "best"
    if steps:
        session.choose_checkpoint(_after(str(session.checkpoints.step), steps))
