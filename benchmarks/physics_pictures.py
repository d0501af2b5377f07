"""The trials of `physics_trials.py` as pictures: curves of all engines over each other."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.physics_trials import JUMP_RAD, TRIALS, Curves
from screwpush_jax import pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE_IN = 7.0, 3.6
_COLOURS = {"mujoco": "tab:blue", "mujoco_warp": "tab:orange", "physx": "tab:green"}
_LINES = {"train": ":", "eval": "--", "reference": "-"}

Curve = Callable[[Curves], np.ndarray]
"""What to draw of an engine, `[T]`."""


def _of(name: str, trial: str, scale: float = 1.0) -> Curve:
    return lambda curves: scale * getattr(curves, name)[:, TRIALS.index(trial)]


def _height(trial: str) -> Curve:
    return lambda curves: 1e3 * curves.pos_w[:, TRIALS.index(trial), 2]


def _energy(curves: Curves) -> np.ndarray:
    return 1e3 * curves.energy_j[:, TRIALS.index("tumble")]


def _turned(curves: Curves) -> np.ndarray:
    turned = curves.turned_rad[:, TRIALS.index("spin")]
    return turned - turned[0]


def _joint(number: int) -> Curve:
    return lambda curves: (
        (curves.joint_pos[:, number - 1] - curves.jump_from[number - 1]) / JUMP_RAD
    )


def _overlap(pair: str, trial: str) -> Curve:
    return lambda curves: 1e3 * curves.overlap_m[pair][:, TRIALS.index(trial)]


PICTURES: dict[str, list[tuple[str, Curve, tuple[float, float]]]] = {
    "drop": [("height, mm: level, from 5 cm", _height("drop"), (0.08, 0.2))],
    "tumble": [("height, mm: tilted by 45 degrees", _height("tumble"), (0.05, 0.5))],
    "energy": [("energy, mJ: tilted by 45 degrees", _energy, (0.05, 0.5))],
    "slide": [("mm along its length, from 0.3 m/s", _of("moved_m", "slide", 1e3), (0.0, 0.1))],
    "roll": [
        (f"mm across its length, from {speed} m/s", _of("moved_m", trial, 1e3), (0.0, 0.8))
        for trial, speed in (("roll", 0.3), ("roll 0.4", 0.4))
    ],
    "spin": [("rad about the vertical, from 10 rad/s", _turned, (0.0, 0.1))],
    "push": [
        ("mm, pushed by the rod at 0.3 m/s", _of("moved_m", "push", 1e3), (0.15, 1.2)),
        ("mm, grazed by the rod 12 mm high", _of("moved_m", "graze", 1e3), (0.15, 1.2)),
    ],
    "drive": [(f"share of a jump, joint {n}", _joint(n), (0.0, 0.12)) for n in (2, 5)],
    "overlap": [
        ("rod in the pushed bolt, mm", _overlap("rod-bolt", "push"), (0.15, 0.6)),
        ("tilted bolt in the table, mm", _overlap("bolt-table", "tumble"), (0.05, 0.5)),
    ],
}
"""By the file's name: of each part of the picture what is drawn, and from when to when, s."""


def draw_all(curves: dict[str, Curves], folder: Path) -> None:
    """Draws `PICTURES` into the folder; `curves` by `engine, physics`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in PICTURES.items():

        def paint(figure: "Figure", parts: list = parts) -> None:
            for place, (label, curve, span_s) in enumerate(parts):
                axes = figure.add_subplot(1, len(parts), place + 1)
                _plot(axes, curves, curve, span_s)
                axes.set_ylabel(label)
            figure.axes[-1].legend(fontsize=7, frameon=False)
            figure.tight_layout()

        width, height = _SIZE_IN
        pictures.draw(folder / f"{name}.png", (width * (1 + 0.4 * (len(parts) - 1)), height), paint)


def _plot(
    axes: "Axes", curves: dict[str, Curves], curve: Curve, span_s: tuple[float, float]
) -> None:
    for name, one in curves.items():
        engine, _, physics = name.partition(", ")
        shown = (one.time_s >= span_s[0] - 1e-9) & (one.time_s <= span_s[1] + 1e-9)
        colour, line = _COLOURS.get(engine), _LINES.get(physics, "-.")
        axes.plot(one.time_s[shown], curve(one)[shown], line, color=colour, label=name, lw=1.4)
    axes.set_xlabel("time, s")
    axes.grid(alpha=0.3)
