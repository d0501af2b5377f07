"""A native window on several scenes, by MuJoCo's own viewer, whatever engine made their states."""

# pyright: reportAttributeAccessIssue=false
# mujoco's names come from a compiled module without stubs.

import os
import queue
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import NamedTuple, final

import mujoco
import mujoco.viewer
import numpy as np

from screwpush_sim.errors import RendererUnavailableError
from screwpush_sim.grid import SceneGrid
from screwpush_sim.state import SimState

_ALL = mujoco.mjtCatBit.mjCAT_ALL
_PLOT_PX = 320, 200
_CLOSE_S = 10.0


class Stroke(NamedTuple):
    """A line between two points of the world (m), or a text at `start_w` alone if `width_m` is 0."""

    start_w: np.ndarray  # [3]
    end_w: np.ndarray  # [3]
    color: tuple[float, float, float]
    text: str = ""
    width_m: float = 0.002


class Plot(NamedTuple):
    """Curves over time."""

    title: str
    names: Sequence[str]  # [K]
    time_s: np.ndarray  # [T]
    values: np.ndarray  # [T, K]


def check_display() -> None:
    """Raises RendererUnavailableError where no window can be opened."""
    shown = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform == "linux" and not shown:
        raise RendererUnavailableError(
            "--view native needs a display, and neither DISPLAY nor WAYLAND_DISPLAY names one"
        )
    import glfw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong is said once
        if not glfw.init():
            said = glfw.get_error()[1]
            raise RendererUnavailableError(f"--view native: no window: {_in_one_line(said)}")


@final
class SceneWindow:
    """The scenes of a grid, what is drawn over them, and which keys were pressed."""

    def __init__(self, grid: SceneGrid):
        """Opens the window.

        Raises:
          RendererUnavailableError: this machine, or this interpreter, gives none.
        """
        check_display()
        self._grid = grid
        self.keys: queue.SimpleQueue[int] = queue.SimpleQueue()
        """Codes of GLFW's."""
        data, before = grid.data[0], set(threading.enumerate())
        try:
            self._viewer = mujoco.viewer.launch_passive(
                grid.model,
                data,
                key_callback=self.keys.put,
                show_left_ui=False,
                show_right_ui=False,
            )
        except Exception as error:  # macOS wants an interpreter of its own
            raise RendererUnavailableError(
                f"--view native: no window: {_in_one_line(error)}"
            ) from None
        self._threads = set(threading.enumerate()) - before
        self._option, self._perturb = mujoco.MjvOption(), mujoco.MjvPerturb()

    def is_open(self) -> bool:
        return self._viewer.is_running()

    def look(self, pos_w: np.ndarray, target_w: np.ndarray) -> None:
        """Looks from one point at another."""
        back = np.subtract(pos_w, target_w)
        camera, distance_m = self._viewer.cam, float(np.linalg.norm(back))
        camera.lookat[:], camera.distance = target_w, distance_m
        camera.azimuth = float(np.degrees(np.arctan2(-back[1], -back[0])))
        camera.elevation = -float(np.degrees(np.arcsin(back[2] / distance_m)))

    def show(self, state: SimState, strokes: Sequence[Stroke]) -> None:
        """Shows `state [N, ...]`."""
        with self._viewer.lock():
            placed = self._grid.place(state)
            scene = self._viewer.user_scn
            assert scene is not None
            scene.ngeom = 0
            scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = 0  # laid out for one scene
            for data in placed[1:]:  # the first one is the window's own
                mujoco.mjv_addGeoms(
                    self._grid.model, data, self._option, self._perturb, _ALL, scene
                )
            for stroke in strokes:
                _add(scene, stroke)
        self._viewer.sync()

    def say(self, texts: tuple[str, str], plot: Plot) -> None:
        """Shows two columns of lines, left and right, and the curves, with the next `show`."""
        font, place = mujoco.mjtFontScale.mjFONTSCALE_150, mujoco.mjtGridPos.mjGRID_TOPLEFT
        self._viewer.set_texts((font, place, *texts))
        self._viewer.set_figures((mujoco.MjrRect(10, 10, *_PLOT_PX), _figure(plot)))

    def close(self) -> None:
        self._viewer.close()
        for thread in self._threads:  # or the interpreter's end ends GLFW under one that draws
            thread.join(_CLOSE_S)


def _add(scene: mujoco.MjvScene, stroke: Stroke) -> None:
    if scene.ngeom >= scene.maxgeom:
        return
    kinds = mujoco.mjtGeom
    geom, zero = scene.geoms[scene.ngeom], np.zeros(3)
    kind = kinds.mjGEOM_CAPSULE if stroke.width_m else kinds.mjGEOM_LABEL
    rgba = np.array([*stroke.color, 1.0], np.float32)
    place = (stroke.start_w + stroke.end_w) / 2
    mujoco.mjv_initGeom(geom, kind, zero, place, np.eye(3).ravel(), rgba)
    if stroke.width_m:
        mujoco.mjv_connector(geom, kind, stroke.width_m, stroke.start_w, stroke.end_w)
    geom.label = stroke.text
    scene.ngeom += 1


def _figure(plot: Plot) -> mujoco.MjvFigure:
    """MuJoCo's figure of the curves; what does not fit into it is left out."""
    figure = mujoco.MjvFigure()
    mujoco.mjv_defaultFigure(figure)
    figure.title, figure.xlabel, figure.flg_legend = plot.title, "s", 1
    figure.figurergba[:] = (0.1, 0.1, 0.1, 0.6)
    most = figure.linedata.shape[1] // 2
    rows = np.unique(np.linspace(0, len(plot.values) - 1, most).astype(int))
    for number, name in enumerate(plot.names[: len(figure.linepnt)]):
        figure.linename[number] = name
        figure.linepnt[number] = len(rows)
        points = np.stack([plot.time_s[rows], plot.values[rows, number]], axis=-1)
        figure.linedata[number, : 2 * len(rows)] = points.ravel()
    return figure


def _in_one_line(said: object) -> str:
    text = said.decode() if isinstance(said, bytes) else str(said)
    return " ".join(text.split()) or "GLFW does not say why"
