"""Arm and screw as URDF, generated from `elfin15` and `bolt`, for engines that read URDF files.

A capsule is written as a cylinder as long as the capsule's axis: the importer is told to replace
cylinders by capsules, whose round ends then lie beyond.
"""

import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import numpy as np

from sim.assets import elfin15
from sim.assets.bolt import Bolt

HEAD_MESH = "bolt_head.obj"
"""File name under which the screw's URDF looks for `head_obj`."""
TOOL_LINK, WRIST_LINK = "tool", "link5"
"""Links that carry the arm's two collision shapes: the rod, the wrist's sphere."""
MAX_JOINT_SPEED_RAD_S = 10.0
"""URDF asks for a limit; this one is above anything a task commands."""


def build_arm_urdf() -> str:
    """URDF text of the arm; links and joints named as in MJCF (`link1`, `joint1`, ...)."""
    robot = ET.Element("robot", name="elfin15")
    ET.SubElement(robot, "link", name="base")
    parent = "base"
    for link in elfin15.LINKS:
        body = _link(robot, link.name, link.mass_kg, link.com_m, link.inertia_kgm2)
        if link.name == WRIST_LINK:
            _shape(body, "sphere", radius=_number(elfin15.WRIST_SPHERE_RADIUS_M))
        joint = ET.SubElement(robot, "joint", name=joint_name(link.name), type="revolute")
        _origin(joint, link.offset_m, rpy_of(link.rotation_wxyz))
        ET.SubElement(joint, "parent", link=parent)
        ET.SubElement(joint, "child", link=link.name)
        ET.SubElement(joint, "axis", xyz="0 0 1")
        ET.SubElement(
            joint,
            "limit",
            lower=_number(-link.range_rad),
            upper=_number(link.range_rad),
            effort=_number(link.torque_limit_nm),
            velocity=_number(MAX_JOINT_SPEED_RAD_S),
        )
        parent = link.name
    _add_tool(robot, parent)
    return ET.tostring(robot, encoding="unicode")


def build_screw_urdf(bolt: Bolt) -> str:
    """URDF text of one screw: a capsule shank along x and the head's mesh, inertia as given."""
    robot = ET.Element("robot", name="screw")
    mass, com_x, inertia = bolt.inertia()
    body = _link(robot, "screw", mass, (com_x, 0.0, 0.0), inertia)
    start, end = bolt.shank_axis_m
    middle, length = (start + end) / 2, end - start
    along_x = (0.0, math.pi / 2, 0.0)
    _capsule(body, (middle, 0.0, 0.0), along_x, bolt.shank_radius_m, length)
    _shape(body, "mesh", filename=HEAD_MESH)
    return ET.tostring(robot, encoding="unicode")


def head_obj(bolt: Bolt) -> str:
    """The head as a closed OBJ mesh, faces outward; engines take its convex hull."""
    corners = bolt.head_vertices_m()
    lines = ["v " + " ".join(_number(v) for v in corner) for corner in corners]
    near, far = range(1, 7), range(7, 13)  # OBJ counts from one; far is the larger x
    faces: list[Sequence[int]] = [list(reversed(near)), list(far)]
    faces += [(a + 1, (a + 1) % 6 + 1, (a + 1) % 6 + 7, a + 7) for a in range(6)]
    for face in faces:
        lines += [f"f {face[0]} {face[i]} {face[i + 1]}" for i in range(1, len(face) - 1)]
    return "\n".join(lines) + "\n"


def joint_name(link_name: str) -> str:
    return link_name.replace("link", "joint")


def rpy_of(quat_wxyz: Sequence[float]) -> tuple[float, float, float]:
    """Roll, pitch, yaw (rad, about fixed axes) of a unit quaternion away from pitch 90 degrees."""
    w, x, y, z = quat_wxyz
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return roll, pitch, yaw


def _add_tool(robot: ET.Element, flange: str) -> None:
    """The rod is a link of its own, so that its mass adds to the flange's given inertia."""
    radius, length = elfin15.ROD_RADIUS_M, elfin15.ROD_END_M - elfin15.ROD_START_M
    middle = (0.0, 0.0, (elfin15.ROD_START_M + elfin15.ROD_END_M) / 2)
    mass, inertia = _solid_capsule(elfin15.ROD_DENSITY, radius, length)
    body = _link(robot, TOOL_LINK, mass, middle, inertia)
    _capsule(body, middle, (0.0, 0.0, 0.0), radius, length)
    joint = ET.SubElement(robot, "joint", name="flange", type="fixed")
    _origin(joint, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    ET.SubElement(joint, "parent", link=flange)
    ET.SubElement(joint, "child", link=TOOL_LINK)


def _solid_capsule(
    density: float, radius: float, length: float
) -> tuple[float, tuple[float, float, float]]:
    """Mass (kg) and principal inertia (kg m2) of a capsule along z whose axis has this length."""
    tube = density * math.pi * radius**2 * length
    ball = density * 4 / 3 * math.pi * radius**3
    axial = tube * radius**2 / 2 + ball * 2 / 5 * radius**2
    across = tube * (length**2 / 12 + radius**2 / 4) + ball * (
        2 / 5 * radius**2 + length**2 / 4 + 3 / 8 * length * radius
    )
    return tube + ball, (across, across, axial)


def _link(
    robot: ET.Element,
    name: str,
    mass: float,
    com_m: Sequence[float],
    inertia: Sequence[float],
) -> ET.Element:
    link = ET.SubElement(robot, "link", name=name)
    inertial = ET.SubElement(link, "inertial")
    _origin(inertial, com_m, (0.0, 0.0, 0.0))
    ET.SubElement(inertial, "mass", value=_number(mass))
    diagonal = dict(zip(("ixx", "iyy", "izz"), map(_number, inertia), strict=True))
    ET.SubElement(inertial, "inertia", {**diagonal, "ixy": "0", "ixz": "0", "iyz": "0"})
    return link


def _capsule(
    link: ET.Element, pos: Sequence[float], rpy: Sequence[float], radius: float, length: float
) -> None:
    shape = _shape(link, "cylinder", radius=_number(radius), length=_number(length))
    _origin(shape, pos, rpy)


def _shape(link: ET.Element, kind: str, **size: str) -> ET.Element:
    collision = ET.SubElement(link, "collision")
    ET.SubElement(ET.SubElement(collision, "geometry"), kind, size)
    visual = ET.SubElement(link, "visual")
    ET.SubElement(ET.SubElement(visual, "geometry"), kind, size)
    return collision


def _origin(element: ET.Element, pos: Sequence[float], rpy: Sequence[float]) -> None:
    element.insert(0, ET.Element("origin", xyz=_numbers(pos), rpy=_numbers(rpy)))


def _number(value: float | np.floating) -> str:
    return f"{value:.9g}"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(map(_number, values))
