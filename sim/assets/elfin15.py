"""Han's Robot Elfin15 with a steel rod: the one description every engine's model is generated from.

Source of the figures: the maker's public robot model. Lengths in metres, masses in kilograms,
angles in radians; every joint turns about the z axis of its own link frame.
"""

import dataclasses

from sim.protocol import ArmSpec

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]
_H = 0.5**0.5


@dataclasses.dataclass(frozen=True)
class Link:
    """One moving link and the joint that carries it.

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

LINKS: tuple[Link, ...] = (
    Link("link1", (0, 0, 0.262), (1, 0, 0, 0), 26.18, (0, -0.0036, -0.0359),
         (0.2359, 0.2124, 0.1579), 3.14, 40000, 1300, 600, 1.0),
    Link("link2", (0, 0, 0), (_H, _H, 0, 0), 25.78, (0, 0.2921, 0.1540),
         (1.614, 0.0559, 1.591), 2.35, 40000, 1300, 600, 1.0),
    Link("link3", (0, 0.73, 0), (0, _H, _H, 0), 7.876, (0.0361, 0, -0.0044),
         (0.0366, 0.0321, 0.0199), 2.61, 12000, 390, 300, 0.6),
    Link("link4", (0, 0, 0), (0.5, 0.5, 0.5, 0.5), 7.614, (0, -0.0650, 0.3208),
         (0.1619, 0.1592, 0.0129), 3.14, 2000, 50, 100, 0.2),
    Link("link5", (0, 0, 0.57), (_H, -_H, 0, 0), 3.393, (0, -0.0250, -0.0025),
         (0.0094, 0.0074, 0.0054), 2.56, 2000, 50, 100, 0.2),
    Link("link6", (0, 0, 0), (_H, _H, 0, 0), 0.352, (0, -0.0043, 0.1395),
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

HOME_RAD = (0.0, 0.8236, -1.9322, 0.0, -0.3858, 0.0)
"""Tip 3 cm above the centre of the work area, rod straight down."""

NUM_JOINTS = len(LINKS)


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
