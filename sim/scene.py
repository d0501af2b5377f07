"""What is simulated, as plain data: one robot, groups of free bodies, a ground plane, its physics.

The task makes a `Scene`; everything that builds a model (`sim/builders`, the engines, Isaac Gym's
worker) reads it and nothing else. Lengths in metres, masses in kilograms, angles in radians, times in
seconds; quaternions are wxyz. The world's z points up and the ground is the plane z = 0.
"""

import dataclasses
from typing import Literal

from screwpush_sim.visual import Camera, Mark, View, Visual

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]
Meets = Literal["all", "ground"]

NO_TURN: Quat = (1.0, 0.0, 0.0, 0.0)


@dataclasses.dataclass(frozen=True)
class Capsule:
    """A cylinder with round ends: all within `radius_m` of the segment from `start_m` to `end_m`."""

    name: str
    start_m: Vec3
    end_m: Vec3
    radius_m: float
    meets: Meets = "all"
    """What it collides with: everything that is not "ground" itself, or the ground alone."""
    friction: float | None = None
    """Sliding friction; None takes the physics'."""
    material: str = ""
    """How it is drawn; one without is not drawn where `visuals` are."""
    kind: Literal["capsule"] = "capsule"


@dataclasses.dataclass(frozen=True)
class Sphere:
    """Further fields as in `Capsule`."""

    name: str
    center_m: Vec3
    radius_m: float
    meets: Meets = "all"
    friction: float | None = None
    material: str = ""
    kind: Literal["sphere"] = "sphere"


@dataclasses.dataclass(frozen=True)
class Box:
    """Edges along the axes of its link. Further fields as in `Capsule`."""

    name: str
    center_m: Vec3
    half_m: Vec3
    meets: Meets = "all"
    friction: float | None = None
    material: str = ""
    kind: Literal["box"] = "box"


@dataclasses.dataclass(frozen=True)
class Hull:
    """A convex solid by its corners. Further fields as in `Capsule`."""

    name: str
    vertices_m: tuple[Vec3, ...]
    faces: tuple[tuple[int, ...], ...]
    """Polygons of corners by their place, counted from 0, counterclockwise from outside."""
    meets: Meets = "all"
    friction: float | None = None
    material: str = ""
    kind: Literal["hull"] = "hull"


Shape = Capsule | Sphere | Box | Hull


@dataclasses.dataclass(frozen=True)
class Inertia:
    """Mass, its centre, and the moments about that centre along the axes of the body's frame."""

    mass_kg: float
    com_m: Vec3
    moments_kgm2: Vec3


@dataclasses.dataclass(frozen=True)
class PositionDrive:
    """Its control is the joint's target, rad, kept within the joint's range."""

    stiffness: float  # N m / rad
    damping: float  # N m s / rad
    effort_limit_nm: float
    kind: Literal["position"] = "position"


@dataclasses.dataclass(frozen=True)
class TorqueDrive:
    """Its control is the torque, N m, kept within plus and minus `gear_nm`."""

    gear_nm: float
    kind: Literal["torque"] = "torque"


@dataclasses.dataclass(frozen=True)
class Joint:
    """A hinge at the origin of the link that it carries, about `axis` of that link's frame."""

    name: str
    range_rad: tuple[float, float]
    drive: PositionDrive | TorqueDrive
    axis: Vec3 = (0.0, 0.0, 1.0)
    armature_kgm2: float = 0.0
    """Rotor inertia seen through the gear."""
    damping: float = 0.0
    """Friction of the joint itself, N m s / rad."""


@dataclasses.dataclass(frozen=True)
class Link:
    """One rigid part. Its frame, at joint angle zero, stands in the parent's as given."""

    name: str
    parent: str
    """Name of an earlier link; empty for the base, whose frame stands in the world."""
    offset_m: Vec3 = (0.0, 0.0, 0.0)
    rotation_wxyz: Quat = NO_TURN
    inertia: Inertia | None = None
    density: float = 0.0
    """kg/m3 of all its shapes, where `inertia` is not given."""
    shapes: tuple[Shape, ...] = ()
    joint: Joint | None = None
    """None: fixed to its parent."""
    visuals: tuple[Visual, ...] = ()


@dataclasses.dataclass(frozen=True)
class Frame:
    """A named place on a link, along that link's axes."""

    name: str
    link: str
    pos_m: Vec3


@dataclasses.dataclass(frozen=True)
class RobotModel:
    """A tree of links, depth first: the base, then each after its parent and a branch as a whole."""

    name: str
    links: tuple[Link, ...]
    home_rad: tuple[float, ...]  # [J] where the joints begin
    base: Literal["fixed", "free"] = "fixed"
    gravity_compensated: bool = False
    """Whether gravity leaves it alone, as a controller that compensates for it would have it."""
    frames: tuple[Frame, ...] = ()

    @property
    def joints(self) -> tuple[Joint, ...]:
        """All of them `[J]`, in the links' order: that of every array of joints and of controls."""
        return tuple(link.joint for link in self.links if link.joint is not None)

    @property
    def control_range(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Least and largest control of each joint `[U]` (rad or N m)."""
        pairs = [
            joint.range_rad
            if isinstance(joint.drive, PositionDrive)
            else (-joint.drive.gear_nm, joint.drive.gear_nm)
            for joint in self.joints
        ]
        return tuple(low for low, _ in pairs), tuple(high for _, high in pairs)


@dataclasses.dataclass(frozen=True)
class BodyGroup:
    """Equal free bodies, one at each of `start_pos_w`, level at first."""

    name: str
    start_pos_w: tuple[Vec3, ...]
    shapes: tuple[Shape, ...]
    inertia: Inertia | None = None
    density: float = 0.0
    """kg/m3 of all its shapes, where `inertia` is not given."""
    visuals: tuple[Visual, ...] = ()
    materials: tuple[str, ...] = ()
    """[B] the material that each body's visuals are drawn in, empty for their own; () for all."""

    @property
    def count(self) -> int:
        """Bodies `B` in each scene."""
        return len(self.start_pos_w)


@dataclasses.dataclass(frozen=True)
class Physics:
    """How the scene is stepped."""

    dt_s: float
    """Length of one physics step."""
    decimation: int
    """Physics steps in one control step."""
    friction: float
    """Sliding friction of the ground and of every shape that names none of its own."""
    cone: Literal["pyramidal", "elliptic"] = "pyramidal"
    """Shape of the friction cone."""
    gravity_m_s2: Vec3 = (0.0, 0.0, -9.81)
    solver_iterations: int = 0
    """Upper bound on the solver's iterations in one physics step (PhysX: exactly so many on positions, at
    most 255); 0 takes the engine's own option."""
    contact_time_s: float = 0.02
    """Time constant in which a critically damped contact gives way, never below two physics steps. Of
    MuJoCo alone: contacts of PhysX are rigid and take no notice."""
    contact_impedance: tuple[float, float] = (0.9, 0.95)
    """Share of the force of a rigid contact that one has at no overlap, and at one of a millimetre or
    deeper, above 0 and below 1. Of MuJoCo alone, as above."""

    @property
    def control_dt_s(self) -> float:
        """Length of one control step."""
        return self.dt_s * self.decimation


@dataclasses.dataclass(frozen=True)
class Scene:
    """One environment's world."""

    robot: RobotModel
    physics: Physics
    groups: tuple[BodyGroup, ...] = ()
    contact_links: tuple[str, ...] = ()
    """Links of the robot whose contact forces the state shows."""
    marks: tuple[Mark, ...] = ()
    """Drawn, never simulated."""
    cameras: tuple[Camera, ...] = ()
    """The first one is taken where none is asked for."""
    view: View = View()


def first_control(robot: RobotModel) -> tuple[float, ...]:
    """The controls `[U]` in force before the first: targets at home, no torque."""
    return tuple(
        home if isinstance(joint.drive, PositionDrive) else 0.0
        for joint, home in zip(robot.joints, robot.home_rad, strict=True)
    )


def touching_links(robot: RobotModel) -> list[tuple[Link, Link]]:
    """Pairs of a link and the nearest one above it that has shapes, where both may collide.

    Their shapes overlap at the joints between them, so no engine lets them meet.
    """
    by_name, pairs = {link.name: link for link in robot.links}, []
    for link in robot.links:
        above = by_name.get(link.parent)
        while above is not None and not above.shapes:
            above = by_name.get(above.parent)
        if above is not None and all(_meets_all(one) for one in (link, above)):
            pairs.append((link, above))
    return pairs


def _meets_all(link: Link) -> bool:
    return any(shape.meets == "all" for shape in link.shapes)
