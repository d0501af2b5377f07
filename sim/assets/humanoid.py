"""A humanoid of 21 torque-driven joints on a plane: capsules and spheres from the tables below.

Our own figure, of about 1.5 m and 40 kg, with the joints of the field's usual one: three between
torso and pelvis, six in each leg, three in each arm. It stands with straight limbs, looks along x, and
its left is +y. Joints of the right side turn about mirrored axes, so equal angles are mirror images.
Each link carries one joint; where two or three axes cross, the links between are small and have no
shape. Lengths in metres, masses in kilograms, torques in N m, angles in the table in degrees.
"""

import dataclasses
import math
from typing import Annotated, NamedTuple

from annotated_types import Gt

from screwpush_sim.physics import NamedPhysics, PhysicsConfig
from screwpush_sim.scene import (
    Capsule,
    Inertia,
    Joint,
    Link,
    Physics,
    RobotModel,
    Scene,
    Shape,
    Sphere,
    TorqueDrive,
    Vec3,
)
from screwpush_sim.visual import BoxMark, Camera, Mark, PlaneMark, View


@dataclasses.dataclass(frozen=True)
class SceneConfig:
    """The physical scene."""

    physics: NamedPhysics = NamedPhysics(
        train=PhysicsConfig(
            *(1 / 360, 6),
            contact_time_s=0.0056,
            contact_impedance=(0.95, 0.99),
            solver_iterations=8,
        ),
        eval=PhysicsConfig(
            *(1 / 480, 8),
            contact_time_s=0.005,
            contact_impedance=(0.95, 0.99),
            solver_iterations=20,
        ),
        reference=PhysicsConfig(
            *(1 / 960, 16, "elliptic"),
            contact_time_s=0.004,
            contact_impedance=(0.95, 0.99),
            solver_iterations=100,
        ),
    )
    """How it is stepped to learn, to evaluate, and to check both; control at 60 Hz."""
    friction: Annotated[float, Gt(0)] = 1.0
    """Sliding friction of the humanoid and the ground."""


PHYSICS = SceneConfig().physics.train.of_scene(SceneConfig.friction)
"""What it is stepped by where nothing else is said."""
TORSO, FEET = "torso", ("left_foot", "right_foot")
TORSO_HEIGHT_M = 1.10
"""Of the torso's origin when it stands with straight legs."""

_DENSITY = 940.0
_SMALL_MOMENT_M2 = 1e-3
"""Moments of a link without shapes over its mass: those of a ball of 5 cm radius."""


class Row(NamedTuple):
    """One link and the joint that carries it, of the left side where there are two.

    `axis` is of the link's frame; `mass_kg` is that of a link without shapes.
    """

    link: str
    parent: str
    offset_m: Vec3
    joint: str
    axis: Vec3
    range_deg: tuple[float, float]
    gear_nm: float
    damping: float
    armature_kgm2: float
    mass_kg: float = 0.0


_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)

TRUNK = (
    Row("waist_turn", TORSO, (0, 0, -0.15), "abdomen_z", _Z, (-45, 45), 40, 5, 0.02, 0.4),
    Row("waist", "waist_turn", (0, 0, 0), "abdomen_y", _Y, (-30, 75), 60, 5, 0.02),
    Row("pelvis", "waist", (0, 0, -0.08), "abdomen_x", _X, (-35, 35), 60, 5, 0.02),
)
LEG = (
    Row("hip", "pelvis", (0, 0.085, -0.06), "hip_x", _X, (-15, 35), 60, 5, 0.01, 0.3),
    Row("hip_turn", "hip", (0, 0, 0), "hip_z", _Z, (-35, 60), 40, 5, 0.01, 0.3),
    Row("thigh", "hip_turn", (0, 0, 0), "hip_y", _Y, (-110, 20), 120, 5, 0.01),
    Row("shin", "thigh", (0, 0, -0.38), "knee", _Y, (-2, 150), 90, 2, 0.006),
    Row("ankle", "shin", (0, 0, -0.36), "ankle_y", _Y, (-35, 50), 30, 1, 0.006, 0.15),
    Row("foot", "ankle", (0, 0, 0), "ankle_x", _X, (-25, 25), 20, 1, 0.006),
)
ARM = (
    Row("shoulder", TORSO, (0, 0.235, 0.10), "shoulder_1", _Y, (-160, 60), 25, 1, 0.006, 0.2),
    Row("upper_arm", "shoulder", (0, 0, 0), "shoulder_2", _X, (-5, 120), 25, 1, 0.006),
    Row("lower_arm", "upper_arm", (0, 0, -0.25), "elbow", _Y, (-140, 2), 25, 1, 0.006),
)
"""Depth first: each link after its parent, a branch as a whole."""

SHAPES: dict[str, tuple[Shape, ...]] = {
    "torso": (
        Capsule("chest", (0, -0.09, 0.06), (0, 0.09, 0.06), 0.09, material="shell"),
        Capsule("belly", (0, -0.07, -0.05), (0, 0.07, -0.05), 0.08, material="shell"),
        Sphere("head", (0, 0, 0.29), 0.10, material="shell"),
    ),
    "waist": (Capsule("waist", (0, -0.05, -0.01), (0, 0.05, -0.01), 0.065, material="dark"),),
    "pelvis": (Capsule("pelvis", (0, -0.06, -0.02), (0, 0.06, -0.02), 0.085, material="shell"),),
    "thigh": (Capsule("thigh", (0, 0, -0.02), (0, 0, -0.34), 0.055, material="shell"),),
    "shin": (Capsule("shin", (0, 0, -0.03), (0, 0, -0.30), 0.042, material="accent"),),
    "foot": (
        Capsule("inner", (-0.06, -0.025, -0.045), (0.14, -0.025, -0.045), 0.025, material="dark"),
        Capsule("outer", (-0.06, 0.025, -0.045), (0.14, 0.025, -0.045), 0.025, material="dark"),
    ),
    "upper_arm": (Capsule("upper_arm", (0, 0, -0.03), (0, 0, -0.22), 0.035, material="shell"),),
    "lower_arm": (
        Capsule("lower_arm", (0, 0, -0.03), (0, 0, -0.20), 0.030, material="accent"),
        Sphere("hand", (0, 0, -0.25), 0.040, material="dark"),
    ),
}
"""Of the links that have any; those of the limbs are their own mirror images."""


def make_robot() -> RobotModel:
    """The figure at rest, upright, joints at zero."""
    base = Link(TORSO, "", (0, 0, TORSO_HEIGHT_M), density=_DENSITY, shapes=SHAPES[TORSO])
    rows = [(row, "", 1) for row in TRUNK]
    rows += [(row, f"{name}_", s) for limb in (LEG, ARM) for name, s in _SIDES for row in limb]
    links = (base, *(_link(row, prefix, sign) for row, prefix, sign in rows))
    return RobotModel("humanoid", links, home_rad=(0.0,) * len(rows), base="free")


def make_scene(physics: Physics = PHYSICS) -> Scene:
    """The humanoid alone on a plane; its feet say what they feel."""
    return Scene(
        robot=make_robot(),
        physics=physics,
        contact_links=FEET,
        marks=_track(),
        cameras=(
            Camera("overview", (2.6, -2.2, 1.5), (0.0, 0.0, 0.75)),
            Camera("side", (0.0, -3.2, 1.0), (0.0, 0.0, 0.75)),
        ),
        view=View((0.0, 0.0, 0.8), 1.5, follows=TORSO),
    )


_TRACK_M, _LINE_HALF_M, _LANE_HALF_M, _ABOVE_M = 100, 0.015, 0.6, 0.001


def _track() -> tuple[Mark, ...]:
    """A floor with a line across its way for each metre, by which its speed is seen."""
    lines = [
        BoxMark(
            "mark",
            (x - _LINE_HALF_M, -_LANE_HALF_M, -0.01),
            (x + _LINE_HALF_M, _LANE_HALF_M, _ABOVE_M),
        )
        for x in range(_TRACK_M + 1)
    ]
    return PlaneMark("floor", 0.0), *lines


_SIDES = (("left", 1), ("right", -1))


def _link(row: Row, prefix: str, sign: int) -> Link:
    """The row's link; `sign` -1 mirrors it to the right."""
    x, y, z = row.offset_m
    own_parents = {other.link for other in (*LEG, *ARM)}
    parent = f"{prefix}{row.parent}" if row.parent in own_parents else row.parent
    low, high = (math.radians(angle) for angle in row.range_deg)
    axis = (sign * row.axis[0], row.axis[1], sign * row.axis[2])
    drive = TorqueDrive(row.gear_nm)
    joint = Joint(f"{prefix}{row.joint}", (low, high), drive, axis, row.armature_kgm2, row.damping)
    moment = row.mass_kg * _SMALL_MOMENT_M2
    small = Inertia(row.mass_kg, (0, 0, 0), (moment, moment, moment)) if row.mass_kg else None
    return Link(
        f"{prefix}{row.link}",
        parent,
        (x, sign * y, z),
        inertia=small,
        density=0.0 if small else _DENSITY,
        shapes=SHAPES.get(row.link, ()),
        joint=joint,
    )
