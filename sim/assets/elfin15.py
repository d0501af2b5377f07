"""Han's Robot Elfin15 with a steel rod: the one description every engine's model is generated from.

Source of the figures: the maker's public robot model. Lengths in metres, masses in kilograms,
angles in radians; every joint turns about the z axis of its own link frame.
"""

import dataclasses
from typing import NamedTuple

from screwpush_sim import scene
from screwpush_sim.scene import (
    Capsule,
    Frame,
    Inertia,
    Joint,
    PositionDrive,
    Quat,
    RobotModel,
    Sphere,
    Vec3,
)
from screwpush_sim.visual import Barrel, Visual

_H = 0.5**0.5


@dataclasses.dataclass(frozen=True)
class ArmSpec:
    """Kinematics of a six-axis arm with a spherical wrist; joints turn about their frame's z."""

    base_pos_w: tuple[float, ...]  # m
    offsets_m: tuple[tuple[float, ...], ...]  # [J][3] joint frame in the parent's frame
    rotations_wxyz: tuple[tuple[float, ...], ...]  # [J][4] likewise
    range_rad: tuple[float, ...]  # [J] each joint moves within plus and minus this
    tip_m: float  # the tool's tip along the last link's z
    home_rad: tuple[float, ...]  # [J]


class Row(NamedTuple):
    """One moving link and the joint that carries it: a line of the maker's table.

    `offset_m` and `rotation_wxyz` place the joint frame in the parent's frame. `com_m` and
    `inertia_kgm2` (principal, about the centre of mass, along the link's axes) are in the link's
    own frame. `stiffness` (N m / rad), `damping` (N m s / rad), `torque_limit_nm` and
    `armature_kgm2` (rotor inertia seen through the gear) describe the position drive.
    """

    name: str
    offset_m: Vec3
    rotation_wxyz: Quat
    mass_kg: float
    com_m: Vec3
    inertia_kgm2: Vec3
    range_rad: float
    stiffness: float
    damping: float
    torque_limit_nm: float
    armature_kgm2: float


BASE_POS_W: Vec3 = (0.0, 0.0, 0.1)

LINKS: tuple[Row, ...] = (
    Row("link1", (0, 0, 0.262), (1, 0, 0, 0), 26.18, (0, -0.0036, -0.0359),
         (0.2359, 0.2124, 0.1579), 3.14, 40000, 1300, 600, 1.0),
    Row("link2", (0, 0, 0), (_H, _H, 0, 0), 25.78, (0, 0.2921, 0.1540),
         (1.614, 0.0559, 1.591), 2.35, 40000, 1300, 600, 1.0),
    Row("link3", (0, 0.73, 0), (0, _H, _H, 0), 7.876, (0.0361, 0, -0.0044),
         (0.0366, 0.0321, 0.0199), 2.61, 12000, 390, 300, 0.6),
    Row("link4", (0, 0, 0), (0.5, 0.5, 0.5, 0.5), 7.614, (0, -0.0650, 0.3208),
         (0.1619, 0.1592, 0.0129), 3.14, 2000, 50, 100, 0.2),
    Row("link5", (0, 0, 0.57), (_H, -_H, 0, 0), 3.393, (0, -0.0250, -0.0025),
         (0.0094, 0.0074, 0.0054), 2.56, 2000, 50, 100, 0.2),
    Row("link6", (0, 0, 0), (_H, _H, 0, 0), 0.352, (0, -0.0043, 0.1395),
         (0.0004, 0.0003, 0.0002), 3.14, 800, 20, 50, 0.1),
)  # fmt: skip

FLANGE_M = 0.171
"""Height of the tool flange along link 6's z."""
ROD_START_M, ROD_END_M, ROD_RADIUS_M = 0.18, 0.29, 0.010
"""The rod's capsule axis along link 6's z."""
TIP_M = 0.30
"""The tip: the lowest point of the rod's round end, along link 6's z."""
ROD_DENSITY = 7850.0
"""Steel, kg/m3."""
WRIST_SPHERE_RADIUS_M = 0.055
"""Collision sphere about the crossing of joints 4 to 6, which keeps the wrist off the table."""
WRIST_FRICTION = 1.0
"""Of that sphere, where it slides on the table."""

HOME_RAD = (0.0, 0.8236, -1.9322, 0.0, -0.3858, 0.0)
"""Tip 3 cm above the centre of the work area, rod straight down."""

_SHELLS: dict[str, tuple[Visual, ...]] = {
    "base": (
        Barrel("steel", (0, 0, -0.1), (0, 0, -0.08), 0.165),
        Barrel("dark", (0, 0, -0.08), (0, 0, 0.0), 0.120),
        Barrel("shell", (0, 0, 0.0), (0, 0, 0.03), 0.138, None, 0.008),
        Barrel("shell", (0, 0, 0.02), (0, 0, 0.135), 0.118, 0.108, 0.008),
        Barrel("dark", (0, 0, 0.13), (0, 0, 0.146), 0.101),
    ),
    "link1": (
        Barrel("shell", (0, 0, -0.119), (0, 0, 0.09), 0.107, 0.098, 0.03),
        Barrel("shell", (0, 0.118, 0), (0, -0.072, 0), 0.100, None, 0.020),
        Barrel("accent", (0, 0.113, 0), (0, 0.127, 0), 0.074, None, 0.006),
        Barrel("dark", (0, -0.06, 0), (0, -0.09, 0), 0.091),
    ),
    "link2": (
        Barrel("shell", (0, 0, 0.081), (0, 0, 0.238), 0.100, None, 0.020),
        Barrel("accent", (0, 0, 0.233), (0, 0, 0.247), 0.074, None, 0.006),
        Barrel("shell", (0, 0.03, 0.160), (0, 0.70, 0.155), 0.079, 0.070, 0.02),
        Barrel("shell", (0, 0.73, 0.076), (0, 0.73, 0.228), 0.088, None, 0.018),
        Barrel("accent", (0, 0.73, 0.223), (0, 0.73, 0.236), 0.064, None, 0.006),
        Barrel("dark", (0, 0.73, 0.085), (0, 0.73, 0.06), 0.080),
    ),
    "link3": (
        Barrel("shell", (0, 0, -0.067), (0, 0, 0.100), 0.086, None, 0.018),
        Barrel("accent", (0, 0, 0.095), (0, 0, 0.108), 0.062, None, 0.006),
        Barrel("shell", (0, 0, 0), (0.136, 0, 0), 0.080, 0.076, 0.010),
        Barrel("dark", (0.12, 0, 0), (0.146, 0, 0), 0.070),
    ),
    "link4": (
        Barrel("shell", (0, 0, 0.142), (0, 0, 0.255), 0.076, 0.072, 0.012),
        Barrel("shell", (0, 0.01, 0.20), (0, -0.112, 0.335), 0.068, 0.062, 0.06),
        Barrel("shell", (0, -0.112, 0.28), (0, -0.116, 0.56), 0.062, 0.056, 0.05),
        Barrel("shell", (0, -0.180, 0.57), (0, -0.064, 0.57), 0.066, None, 0.014),
        Barrel("accent", (0, -0.176, 0.57), (0, -0.187, 0.57), 0.048, None, 0.005),
        Barrel("dark", (0, -0.07, 0.57), (0, -0.052, 0.57), 0.058),
    ),
    "link5": (
        Barrel("shell", (0, 0, -0.056), (0, 0, 0.068), 0.062, None, 0.014),
        Barrel("accent", (0, 0, 0.064), (0, 0, 0.075), 0.046, None, 0.005),
        Barrel("shell", (0, 0, 0), (0, -0.080, 0), 0.058, 0.056, 0.006),
        Barrel("dark", (0, -0.07, 0), (0, -0.088, 0), 0.051),
    ),
    "link6": (
        Barrel("shell", (0, 0, 0.084), (0, 0, 0.150), 0.056, 0.052, 0.008),
        Barrel("accent", (0, 0, 0.148), (0, 0, 0.156), 0.0475, None, 0.002),
        Barrel("steel", (0, 0, 0.154), (0, 0, FLANGE_M), 0.040, None, 0.002),
        Barrel("dark", (0, 0, FLANGE_M), (0, 0, FLANGE_M + 0.012), 0.030, None, 0.002),
        Barrel("dark", (0, 0, FLANGE_M + 0.01), (0, 0, FLANGE_M + 0.036), 0.020, 0.0135, 0.002),
    ),
}


def make_robot() -> RobotModel:
    """The arm with the rod, bolted down; the rod is a link of its own, so that its mass adds to the
    flange's given inertia."""
    base = scene.Link("base", "", BASE_POS_W, visuals=_SHELLS["base"])
    rod = Capsule("rod", (0, 0, ROD_START_M), (0, 0, ROD_END_M), ROD_RADIUS_M, material="steel")
    tool = scene.Link("tool", LINKS[-1].name, density=ROD_DENSITY, shapes=(rod,))
    parents = ("base", *(row.name for row in LINKS))
    moving = [_link(row, parent) for row, parent in zip(LINKS, parents, strict=False)]
    return RobotModel(
        "elfin15",
        (base, *moving, tool),
        home_rad=HOME_RAD,
        gravity_compensated=True,
        frames=(Frame("tip", "tool", (0, 0, TIP_M)),),
    )


def _link(row: Row, parent: str) -> scene.Link:
    wrist = Sphere(
        "wrist", (0, 0, 0), WRIST_SPHERE_RADIUS_M, meets="ground", friction=WRIST_FRICTION
    )
    drive = PositionDrive(row.stiffness, row.damping, row.torque_limit_nm)
    return scene.Link(
        row.name,
        parent,
        row.offset_m,
        row.rotation_wxyz,
        Inertia(row.mass_kg, row.com_m, row.inertia_kgm2),
        shapes=(wrist,) if row.name == "link5" else (),
        joint=Joint(
            row.name.replace("link", "joint"),
            (-row.range_rad, row.range_rad),
            drive,
            armature_kgm2=row.armature_kgm2,
        ),
        visuals=_SHELLS[row.name],
    )


def arm_spec() -> ArmSpec:
    """The kinematics as the contract states them."""
    return ArmSpec(
        base_pos_w=BASE_POS_W,
        offsets_m=tuple(link.offset_m for link in LINKS),
        rotations_wxyz=tuple(link.rotation_wxyz for link in LINKS),
        range_rad=tuple(link.range_rad for link in LINKS),
        tip_m=TIP_M,
        home_rad=HOME_RAD,
    )
