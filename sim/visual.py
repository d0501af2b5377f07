"""What is only drawn, as plain data: solids on links and bodies, marks in the world, cameras.

Nothing here touches physics. A `material` is a name out of `builders.visuals.MATERIALS`.
"""

import dataclasses
from typing import Literal

Vec3 = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Barrel:
    """A cylinder or cone from `start_m` to `end_m` with rounded rims, in the link's frame."""

    material: str
    start_m: Vec3
    end_m: Vec3
    radius_m: float
    end_radius_m: float | None = None
    """None: as at the start."""
    fillet_m: float = 0.004
    kind: Literal["barrel"] = "barrel"


@dataclasses.dataclass(frozen=True)
class Revolved:
    """A surface about the body's x axis through the points `profile_m` of x and radius."""

    material: str
    profile_m: tuple[tuple[float, float], ...]
    kind: Literal["revolved"] = "revolved"


@dataclasses.dataclass(frozen=True)
class Thread:
    """A helix about the body's x axis between two x."""

    material: str
    start_m: float
    end_m: float
    root_radius_m: float
    depth_m: float
    pitch_m: float
    kind: Literal["thread"] = "thread"


@dataclasses.dataclass(frozen=True)
class HexPrism:
    """A hexagonal prism along the body's x axis with a hole on one side and a chamfer on the other."""

    material: str
    start_m: float
    end_m: float
    radius_m: float
    """From the axis to a corner."""
    hole_radius_m: float
    kind: Literal["hex_prism"] = "hex_prism"


Visual = Barrel | Revolved | Thread | HexPrism


@dataclasses.dataclass(frozen=True)
class BoxMark:
    """A box along the world's axes."""

    material: str
    low_w: Vec3
    high_w: Vec3
    kind: Literal["box"] = "box"


@dataclasses.dataclass(frozen=True)
class DiscMark:
    """A flat disc, level."""

    material: str
    center_w: Vec3
    radius_m: float
    kind: Literal["disc"] = "disc"


@dataclasses.dataclass(frozen=True)
class PlaneMark:
    """An endless floor."""

    material: str
    height_m: float
    kind: Literal["plane"] = "plane"


Mark = BoxMark | DiscMark | PlaneMark


@dataclasses.dataclass(frozen=True)
class Camera:
    """An upright camera that looks from one point at another; it goes where the view goes."""

    name: str
    pos_w: Vec3
    target_w: Vec3
    fovy_deg: float = 36


@dataclasses.dataclass(frozen=True)
class View:
    """What the pictures are about: lights and depth are laid out around it."""

    center_w: Vec3 = (0.0, 0.0, 0.5)
    extent_m: float = 1.2
    follows: str = ""
    """Link that cameras and lights go with and do not turn with: they stand where they are said to be when
    the robot is where the scene puts it. Empty: they stay there."""
