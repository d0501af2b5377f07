"""Robot and bodies of a scene as URDF, for engines that read URDF files.

A capsule is written as a cylinder as long as the capsule's axis: the importer is told to replace
cylinders by capsules, whose round ends then lie beyond.
"""

import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import numpy as np

from screwpush_sim.builders import solids
from screwpush_sim.scene import (
    BodyGroup,
    Box,
    Capsule,
    Hull,
    Link,
    PositionDrive,
    RobotModel,
    Sphere,
)

MAX_JOINT_SPEED_RAD_S = {"position": 10.0, "torque": 100.0}
"""URDF asks for a limit; these are above what a task commands and what a torque reaches."""

Owner = Link | BodyGroup

_NO_MASS_KG, _NO_INERTIA_KGM2 = 1.0, 0.01
"""Of a base without mass, which only stands there: importers make up what is not said."""
_NEXT_TO_NONE = 1e-3
"""As much of it for a link without mass that is fixed to another."""


def build_robot_urdf(robot: RobotModel) -> str:
    """URDF text of the robot; links and joints named as in the scene. The base stands at zero."""
    root = ET.Element("robot", name=robot.name)
    for link in robot.links:
        _add_link(root, link)
        if link.parent:
            _add_joint(root, link)
    return ET.tostring(root, encoding="unicode")


def build_body_urdf(group: BodyGroup) -> str:
    """URDF text of one body of the group; its hulls are files of `hull_files`."""
    root = ET.Element("robot", name=group.name)
    _add_link(root, group)
    return ET.tostring(root, encoding="unicode")


def mass_properties(owner: Owner) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass (kg), its centre `[3]` (m) and inertia `[3, 3]` about it (kg m2), as the file has them."""
    if owner.inertia is not None:
        given = owner.inertia
        return given.mass_kg, np.array(given.com_m), np.diag(given.moments_kgm2)
    if owner.density:
        return solids.of_density(owner.shapes, owner.density)
    share = _NEXT_TO_NONE if isinstance(owner, Link) and owner.parent else 1.0
    return share * _NO_MASS_KG, np.zeros(3), share * _NO_INERTIA_KGM2 * np.eye(3)


def hull_files(owner: Owner) -> dict[str, str]:
    """OBJ texts of the owner's hulls by the names under which its URDF looks for them."""
    hulls = [shape for shape in owner.shapes if isinstance(shape, Hull)]
    return {_hull_file(owner, hull): _obj(hull) for hull in hulls}


def rpy_of(quat_wxyz: Sequence[float]) -> tuple[float, float, float]:
    """Roll, pitch, yaw (rad, about fixed axes) of a unit quaternion away from pitch 90 degrees."""
    w, x, y, z = quat_wxyz
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return roll, pitch, yaw


def _obj(hull: Hull) -> str:
    """A closed OBJ mesh, faces outward; engines take its convex hull."""
    lines = ["v " + " ".join(_number(v) for v in corner) for corner in hull.vertices_m]
    for face in hull.faces:  # OBJ counts from one
        for i in range(1, len(face) - 1):
            lines.append(f"f {face[0] + 1} {face[i] + 1} {face[i + 1] + 1}")
    return "\n".join(lines) + "\n"


def _hull_file(owner: Owner, hull: Hull) -> str:
    return f"{owner.name}_{hull.name}.obj"


def _add_link(root: ET.Element, owner: Owner) -> None:
    link = ET.SubElement(root, "link", name=owner.name)
    _add_inertial(link, *mass_properties(owner))
    for shape in owner.shapes:
        if isinstance(shape, Capsule):
            _add_capsule(link, shape)
        elif isinstance(shape, Sphere):
            _add_shape(link, shape.center_m, "sphere", radius=_number(shape.radius_m))
        elif isinstance(shape, Box):
            size = _numbers([2 * half for half in shape.half_m])
            _add_shape(link, shape.center_m, "box", size=size)
        else:
            _add_shape(link, (0.0, 0.0, 0.0), "mesh", filename=_hull_file(owner, shape))


def _add_inertial(link: ET.Element, mass: float, com_m: np.ndarray, inertia: np.ndarray) -> None:
    inertial = ET.SubElement(link, "inertial")
    _origin(inertial, com_m, (0.0, 0.0, 0.0))
    ET.SubElement(inertial, "mass", value=_number(mass))
    places = {"ixx": (0, 0), "iyy": (1, 1), "izz": (2, 2), "ixy": (0, 1), "ixz": (0, 2)}
    places["iyz"] = (1, 2)
    moments = {name: _number(inertia[place]) for name, place in places.items()}
    ET.SubElement(inertial, "inertia", moments)


def _add_capsule(link: ET.Element, capsule: Capsule) -> None:
    start, end = np.array(capsule.start_m, float), np.array(capsule.end_m, float)
    length = float(np.linalg.norm(end - start))
    x, y, z = (end - start) / length
    turn = (0.0, math.atan2(math.hypot(x, y), z), math.atan2(y, x))  # z to the axis
    size = {"radius": _number(capsule.radius_m), "length": _number(length)}
    _add_shape(link, (start + end) / 2, "cylinder", turn, **size)


def _add_shape(
    link: ET.Element,
    pos: Sequence[float] | np.ndarray,
    kind: str,
    rpy: Sequence[float] = (0.0, 0.0, 0.0),
    **size: str,
) -> None:
    for purpose in ("collision", "visual"):
        element = ET.SubElement(link, purpose)
        _origin(element, pos, rpy)
        ET.SubElement(ET.SubElement(element, "geometry"), kind, size)


def _add_joint(root: ET.Element, link: Link) -> None:
    joint = link.joint
    name, kind = (joint.name, "revolute") if joint else (f"{link.name}_fixed", "fixed")
    element = ET.SubElement(root, "joint", name=name, type=kind)
    _origin(element, link.offset_m, rpy_of(link.rotation_wxyz))
    ET.SubElement(element, "parent", link=link.parent)
    ET.SubElement(element, "child", link=link.name)
    if joint is None:
        return
    drive = joint.drive
    effort = drive.effort_limit_nm if isinstance(drive, PositionDrive) else drive.gear_nm
    ET.SubElement(element, "axis", xyz=_numbers(joint.axis))
    ET.SubElement(
        element,
        "limit",
        lower=_number(joint.range_rad[0]),
        upper=_number(joint.range_rad[1]),
        effort=_number(effort),
        velocity=_number(MAX_JOINT_SPEED_RAD_S[drive.kind]),
    )
    if joint.damping:
        ET.SubElement(element, "dynamics", damping=_number(joint.damping), friction="0")


def _origin(element: ET.Element, pos: Sequence[float] | np.ndarray, rpy: Sequence[float]) -> None:
    element.insert(0, ET.Element("origin", xyz=_numbers(pos), rpy=_numbers(rpy)))


def _number(value: float | np.floating) -> str:
    return f"{value + 0.0:.9g}"  # and no minus before zero


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(map(_number, values))
