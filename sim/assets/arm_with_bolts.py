"""The scene of the tasks with bolts: the arm on its bench, bolts on the table within its reach."""

import dataclasses
from typing import Annotated

from annotated_types import Gt, Interval

from screwpush_sim.assets import bolt, elfin15
from screwpush_sim.assets.bolt import Bolt
from screwpush_sim.physics import Name, NamedPhysics
from screwpush_sim.scene import Scene
from screwpush_sim.visual import BoxMark, Camera, DiscMark, Mark, PlaneMark, View

GROUP = "screws"
"""Name of the bolts' group."""
WORK_CENTER_W, WORK_HALF_M = (-0.75, 0.0), 0.35
"""The work area, a square on the table: where it is drawn, and what the tasks take for it."""

_SPACING_M, _START_HEIGHT_M = 0.12, 0.01
_MAT_HALF_M, _FLOOR_M = 0.40, -0.78
_TARGET_MATERIAL = "signal"


@dataclasses.dataclass(frozen=True)
class SceneConfig:
    """The physical scene. Engines build their own model from it and from `sim/assets`."""

    num_screws: Annotated[int, Interval(ge=2, le=8)] = 3
    """Screws in each scene, 2 to 8."""
    physics: NamedPhysics = NamedPhysics()
    """How it is stepped to learn, to evaluate, and to check both."""
    friction: Annotated[float, Gt(0)] = 0.6
    """Sliding friction of screws, rod and table."""
    screw: Bolt = Bolt()
    """Geometry and density of a screw."""

    @property
    def control_dt_s(self) -> float:
        """Length of one control step, seconds."""
        return self.physics.control_dt_s


@dataclasses.dataclass(frozen=True)
class Target:
    """A disc on the table and the bolt that belongs there, in a colour of their own: only drawn."""

    center_w: tuple[float, float]
    """World x and y, metres."""
    radius_m: float
    bolt: int = 0
    """Number of the bolt, from 0."""


def make_scene(config: SceneConfig, target: Target | None = None, physics: Name = "eval") -> Scene:
    """The arm at home, the bolts side by side on the table."""
    x, y = WORK_CENTER_W
    middle = (config.num_screws - 1) / 2
    spots = tuple(
        (x, y + _SPACING_M * (index - middle), _START_HEIGHT_M)
        for index in range(config.num_screws)
    )
    group, marks = bolt.make_group(config.screw, GROUP, spots), _bench()
    if target is not None:
        materials = [_TARGET_MATERIAL if i == target.bolt else "" for i in range(config.num_screws)]
        group = dataclasses.replace(group, materials=tuple(materials))
        marks += (DiscMark(_TARGET_MATERIAL, (*target.center_w, -0.0005), target.radius_m),)
    return Scene(
        robot=elfin15.make_robot(),
        physics=config.physics.named(physics).of_scene(config.friction),
        groups=(group,),
        marks=marks,
        cameras=(
            Camera("table", (-1.24, -0.26, 0.50), (-0.760, -0.005, 0.0)),
            Camera("overview", (-1.95, -1.70, 1.22), (-0.43, -0.02, 0.37)),
        ),
        view=View((-0.5, 0.0, 0.4), 1.2),
    )


def _bench() -> tuple[Mark, ...]:
    """A bench that carries arm and mat; the mat's top is a hair below the physical table."""
    marks: list[Mark] = [
        PlaneMark("floor", _FLOOR_M),
        BoxMark("bench", (-1.28, -0.58, -0.045), (0.30, 0.58, -0.004)),
    ]
    for x in (-1.20, 0.22):
        for y in (-0.50, 0.50):
            low, high = (x - 0.035, y - 0.035, _FLOOR_M), (x + 0.035, y + 0.035, -0.045)
            marks.append(BoxMark("dark", low, high))
    x, half, line = WORK_CENTER_W[0], WORK_HALF_M, 0.002
    low, high = (x - _MAT_HALF_M, -_MAT_HALF_M, -0.006), (x + _MAT_HALF_M, _MAT_HALF_M, -0.0004)
    marks.append(BoxMark("mat", low, high))
    for side in (-half, half):  # the lines around the work area
        low, high = (x + side - line, -half - line, -0.002), (x + side + line, half + line, 0.0)
        marks.append(BoxMark("mark", low, high))
        low, high = (x - half, side - line, -0.002), (x + half, side + line, 0.0)
        marks.append(BoxMark("mark", low, high))
    return tuple(marks)
