"""The panel of the page: what can be asked for, what was counted, and the reward terms as curves."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from screwpush_jax.viewer.cameras import Look, looks
from screwpush_jax.viewer.screen import Command
from screwpush_jax.viewer.session import SPEEDS, Session
from screwpush_sim.grid import SceneGrid

SUMS, STEPS = "summed over the episode", "of each step"
_COLORS = [
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
]


class Panel:
    """Controls in a viser server's panel; each hands a `Command` to `ask`."""

    def __init__(
        self, server: Any, session: Session, grid: SceneGrid, ask: Callable[[Command], object]
    ):
        self._server, self._ask = server, ask
        self._looks = looks(grid)
        gui = server.gui
        gui.set_panel_label(session.stage.task.name)
        self._text = gui.add_markdown("")
        self._add_buttons(gui)
        self._add_choices(gui, session)
        self._add_plot(gui, session)
        self._aim(server.initial_camera, next(iter(self._looks.values())))

    def draws(self) -> bool:
        """Whether what the task draws is to be seen."""
        return self._drawings.value

    def show(self, session: Session) -> None:
        """Texts, choices and curves, where they changed."""
        _set(self._text, "content", "  \n".join(session.lines()))
        _set(self._follow, "value", session.follow)
        _set(self._policy, "value", session.policy_name)
        step = str(session.checkpoints.step)
        names = session.checkpoints.names()
        _set(self._checkpoint, "options", names if step in names else (*names, step))
        _set(self._checkpoint, "value", step)
        track = session.tracks[int(self._plotted.value) - 1]
        self._plot.data = self._curves(track.sums() if self._kind.value == SUMS else track.steps())

    def _add_buttons(self, gui: Any) -> None:
        commands: dict[str, Command] = {
            "Play/Pause": Session.toggle_pause,
            "Step": Session.single_step,
            "Reset": Session.reset,
        }
        buttons = gui.add_button_group("run", tuple(commands))
        buttons.on_click(lambda _: self._ask(commands[buttons.value]))

    def _add_choices(self, gui: Any, session: Session) -> None:
        speed = gui.add_slider("speed", *SPEEDS, step=0.05, initial_value=session.speed)
        self._policy = gui.add_dropdown("policy", session.stage.policies)
        self._checkpoint = gui.add_dropdown("checkpoint", session.checkpoints.names())
        self._follow = gui.add_checkbox("follow", False, hint="Take each newer checkpoint.")
        self._on_change(speed, Session.set_speed)
        self._on_change(self._policy, Session.choose_policy)
        self._on_change(self._checkpoint, Session.choose_checkpoint)
        self._on_change(self._follow, Session.set_follow)
        self._look = gui.add_dropdown("look at", tuple(self._looks))
        self._look.on_update(lambda _: self._aim_all())
        self._drawings = gui.add_checkbox("drawings", True, hint="What the task has to show.")
        self._on_change(self._drawings, lambda session, _: None)

    def _add_plot(self, gui: Any, session: Session) -> None:
        uplot: Any = importlib.import_module("viser.uplot")
        terms = session.tracks[0].terms
        scenes = tuple(str(scene + 1) for scene in range(len(session.tracks)))
        self._plotted = gui.add_dropdown("rewards of scene", scenes)
        self._kind = gui.add_dropdown("rewards", (SUMS, STEPS))
        for choice in (self._plotted, self._kind):
            self._on_change(choice, lambda session, _: None)
        self._dt_s = session.stage.spec.control_dt_s
        colors = [_COLORS[k % len(_COLORS)] for k in range(len(terms))]
        curves = [
            uplot.Series(label=term, stroke=color, width=2)
            for term, color in zip(terms, colors, strict=True)
        ]
        self._plot = gui.add_uplot(
            self._curves(np.zeros((2, len(terms)))),
            (uplot.Series(label="s"), *curves),
            scales={"x": uplot.Scale(time=False, auto=True), "y": uplot.Scale(auto=True)},
            legend=uplot.Legend(show=True),
            aspect=1.1,
            padding=(16, 16, 0, 0),
        )

    def _curves(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Time (s) and each column of `values [T, K]`."""
        return (np.arange(len(values)) * self._dt_s, *values.T.copy())

    def _on_change(self, control: Any, command: Callable[[Session, Any], None]) -> None:
        """What a person changes becomes a command; what `show` changes does not."""

        def changed(event: Any) -> None:
            if event.client is not None:
                value = control.value
                self._ask(lambda session: command(session, value))

        control.on_update(changed)

    def _aim_all(self) -> None:
        look = self._looks[self._look.value]
        for client in self._server.get_clients().values():
            self._aim(client.camera, look)

    def _aim(self, camera: Any, look: Look) -> None:
        camera.position, camera.look_at = look.pos_w, look.target_w
        camera.fov = look.fov_rad


def _set(handle: Any, name: str, value: Any) -> None:
    """Sets what changed; nothing else is sent to the browsers."""
    if getattr(handle, name) != value:
        setattr(handle, name, value)
