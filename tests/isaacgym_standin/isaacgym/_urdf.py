"""URDF files as Gym reads them: bodies in depth-first order, each with shapes; joints; a base."""

import os
from typing import NamedTuple
from xml.etree import ElementTree as ET


class Shape(NamedTuple):
    kind: str
    size: dict
    pos: list
    rpy: list


class Joint(NamedTuple):
    name: str
    kind: str
    parent: str
    pos: list
    rpy: list
    axis: list
    limit: dict


class Body(NamedTuple):
    name: str
    joint: Joint  # to its parent, None for the base
    inertial: dict  # mass, pos, six moments; None for a base that needs none
    shapes: list


class Robot(NamedTuple):
    bodies: list
    folder: str

    @property
    def dofs(self):
        return [body.joint for body in self.bodies if body.joint and body.joint.kind != "fixed"]

    @property
    def shapes(self):
        return [(body, shape) for body in self.bodies for shape in body.shapes]


def read(folder, filename):
    """Raises ValueError on what this reader does not understand: nothing is passed over."""
    path = os.path.join(folder, filename)
    root = ET.parse(path).getroot()
    if root.tag != "robot":
        raise ValueError(f"{path}: no <robot>")
    links = {link.get("name"): link for link in root.findall("link")}
    joints = [_joint(element) for element in root.findall("joint")]
    unknown = {child.tag for child in root} - {"link", "joint"}
    if unknown:
        raise ValueError(f"{path}: unknown elements {unknown}")
    children = {element.find("child").get("link"): j for element, j in
                zip(root.findall("joint"), joints)}  # fmt: skip
    (base,) = [name for name in links if name not in children]
    bodies = []

    def visit(name, joint):
        bodies.append(_body(links[name], joint, folder))
        for child, to_child in children.items():
            if to_child.parent == name:
                visit(child, to_child)

    visit(base, None)
    return Robot(bodies, folder)


def _joint(element):
    kind = element.get("type")
    if kind not in ("revolute", "fixed"):
        raise ValueError(f"joint type {kind!r}")
    pos, rpy = _origin(element)
    axis, limit = element.find("axis"), element.find("limit")
    return Joint(
        name=element.get("name"),
        kind=kind,
        parent=element.find("parent").get("link"),
        pos=pos,
        rpy=rpy,
        axis=_floats(axis.get("xyz")) if axis is not None else [1.0, 0.0, 0.0],
        limit={} if limit is None else {k: float(v) for k, v in limit.attrib.items()},
    )


def _body(link, joint, folder):
    inertial = link.find("inertial")
    found = None
    if inertial is not None:
        pos, rpy = _origin(inertial)
        if any(rpy):
            raise ValueError("turned inertial frames")
        moments = {k: float(v) for k, v in inertial.find("inertia").attrib.items()}
        found = {"mass": float(inertial.find("mass").get("value")), "pos": pos, **moments}
    shapes = []
    for collision in link.findall("collision"):
        (geometry,) = collision.find("geometry")
        size = dict(geometry.attrib)
        if geometry.tag not in ("sphere", "cylinder", "mesh"):
            raise ValueError(f"geometry {geometry.tag!r}")
        if geometry.tag == "mesh":
            size["vertices"] = _obj_vertices(os.path.join(folder, size["filename"]))
        shapes.append(Shape(geometry.tag, size, *_origin(collision)))
    return Body(link.get("name"), joint, found, shapes)


def _obj_vertices(path):
    with open(path) as lines:
        return [_floats(line[2:]) for line in lines if line.startswith("v ")]


def _origin(element):
    origin = element.find("origin")
    if origin is None:
        return [0.0] * 3, [0.0] * 3
    return _floats(origin.get("xyz", "0 0 0")), _floats(origin.get("rpy", "0 0 0"))


def _floats(text):
    return [float(word) for word in text.split()]
