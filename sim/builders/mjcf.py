"""A scene as MJCF."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import numpy as np

from screwpush_sim.builders import visuals
from screwpush_sim.scene import (
    BodyGroup,
    Inertia,
    Joint,
    Link,
    Physics,
    PositionDrive,
    Scene,
    Shape,
    touching_links,
)

# Contact bits: all meet all, but what meets the ground alone.
_GROUND = {"contype": "1", "conaffinity": "3"}
_MEETS = {
    "all": {"contype": "1", "conaffinity": "1"},
    "ground": {"contype": "2", "conaffinity": "0"},
}


def body_name(group: BodyGroup, index: int) -> str:
    """Name of the group's body number `index` of `0..B-1`; its shapes' begin with it."""
    return f"{group.name}{index + 1}"


def build_mjcf(scene: Scene, *, with_visuals: bool = False) -> str:
    """MJCF text of one scene; `with_visuals` adds what only a renderer needs."""
    root = ET.Element("mujoco", model=scene.robot.name)
    ET.SubElement(root, "compiler", angle="radian", autolimits="true")
    physics = scene.physics
    option = ET.SubElement(
        root,
        "option",
        timestep=repr(physics.dt_s),
        gravity=_numbers(physics.gravity_m_s2),
        ls_iterations="20",
        integrator="implicitfast",
        cone=physics.cone,
    )
    # A state that has blown up must be seen and judged, not silently reset by the engine.
    ET.SubElement(option, "flag", autoreset="disable")
    _add_contact_model(root, physics)
    asset = ET.SubElement(root, "asset")
    _add_hulls(asset, scene)
    world = ET.SubElement(root, "worldbody")
    ground = {"friction": _friction(physics.friction), **_GROUND}
    if with_visuals:
        visuals.add_surroundings(root, asset, world, scene)
        ground["rgba"] = "0 0 0 0"
    ground |= {"name": "ground", "type": "plane", "size": "2 2 0.1", "condim": "3"}
    ET.SubElement(world, "geom", ground)
    _add_robot(world, scene, with_visuals)
    for group in scene.groups:
        for index in range(group.count):
            _add_body(world, group, index, scene, with_visuals)
    _add_exclusions(root, scene)
    _add_drives(root, scene)
    _add_contact_sensors(root, scene)
    return ET.tostring(root, encoding="unicode")


def _add_contact_model(root: ET.Element, physics: Physics) -> None:
    """How far contacts give way: critically damped, and the rest of what MuJoCo takes by itself."""
    default = ET.SubElement(root, "default")
    reference = _numbers((physics.contact_time_s, 1.0))
    impedance = _numbers(physics.contact_impedance)
    ET.SubElement(default, "geom", solref=reference, solimp=impedance)


def _add_hulls(asset: ET.Element, scene: Scene) -> None:
    for owner in (*scene.robot.links, *scene.groups):
        for shape in owner.shapes:
            if shape.kind == "hull":
                corners = _numbers(np.array(shape.vertices_m))
                ET.SubElement(asset, "mesh", name=f"{owner.name}_{shape.name}", vertex=corners)


def _add_robot(world: ET.Element, scene: Scene, with_visuals: bool) -> None:
    made: dict[str, ET.Element] = {"": world}
    for link in scene.robot.links:
        body = ET.SubElement(made[link.parent], "body", name=link.name, pos=_numbers(link.offset_m))
        body.set("quat", _numbers(link.rotation_wxyz))
        made[link.name] = body
        if scene.robot.gravity_compensated and (link.inertia or link.density):
            body.set("gravcomp", "1")
        if not link.parent and scene.robot.base == "free":
            ET.SubElement(body, "freejoint", name=link.name)
        _add_inertia(body, link.inertia)
        if link.joint is not None:
            _add_joint(body, link.joint)
        if with_visuals:
            visuals.add_solids(body, link)
            visuals.add_followers(body, link, scene)
        for shape in link.shapes:
            _add_shape(body, shape, f"{link.name}_{shape.name}", link, scene, with_visuals)
    for frame in scene.robot.frames:
        site = {"name": frame.name, "pos": _numbers(frame.pos_m), "size": "0.002"}
        ET.SubElement(made[frame.link], "site", site)


def _add_joint(body: ET.Element, joint: Joint) -> None:
    ET.SubElement(
        body,
        "joint",
        name=joint.name,
        axis=_numbers(joint.axis),
        range=_numbers(joint.range_rad),
        armature=repr(joint.armature_kgm2),
        damping=repr(joint.damping),
    )


def _add_body(
    world: ET.Element, group: BodyGroup, index: int, scene: Scene, with_visuals: bool
) -> None:
    name = body_name(group, index)
    body = ET.SubElement(world, "body", name=name, pos=_numbers(group.start_pos_w[index]))
    ET.SubElement(body, "freejoint", name=name)
    _add_inertia(body, group.inertia)
    if with_visuals:
        visuals.add_solids(body, group, group.materials[index] if group.materials else "")
    for shape in group.shapes:
        _add_shape(body, shape, f"{name}_{shape.name}", group, scene, with_visuals)


def _add_inertia(body: ET.Element, inertia: Inertia | None) -> None:
    if inertia is not None:
        mass, pos = repr(inertia.mass_kg), _numbers(inertia.com_m)
        moments = _numbers(inertia.moments_kgm2)
        ET.SubElement(body, "inertial", pos=pos, mass=mass, diaginertia=moments)


def _add_shape(
    body: ET.Element,
    shape: Shape,
    name: str,
    owner: Link | BodyGroup,
    scene: Scene,
    with_visuals: bool,
) -> None:
    friction = scene.physics.friction if shape.friction is None else shape.friction
    geom = {"name": name, **_form(shape, owner), "friction": _friction(friction), "condim": "3"}
    geom |= _MEETS[shape.meets]
    if owner.density:
        geom["density"] = repr(owner.density)
    if with_visuals:
        hidden = {"rgba": "0 0 0 0", "group": "3"}
        geom |= {"material": shape.material} if shape.material else hidden
    ET.SubElement(body, "geom", geom)


def _form(shape: Shape, owner: Link | BodyGroup) -> dict[str, str]:
    if shape.kind == "capsule":
        fromto = _numbers((*shape.start_m, *shape.end_m))
        return {"type": "capsule", "size": repr(shape.radius_m), "fromto": fromto}
    if shape.kind == "sphere":
        pos = _numbers(shape.center_m)
        return {"type": "sphere", "size": repr(shape.radius_m), "pos": pos}
    if shape.kind == "box":
        return {"type": "box", "size": _numbers(shape.half_m), "pos": _numbers(shape.center_m)}
    return {"type": "mesh", "mesh": f"{owner.name}_{shape.name}"}


def _add_exclusions(root: ET.Element, scene: Scene) -> None:
    """MuJoCo itself keeps a link and its parent apart, and no others that a joint brings together."""
    contact = ET.SubElement(root, "contact")
    for link, other in touching_links(scene.robot):
        if link.parent != other.name:
            ET.SubElement(contact, "exclude", body1=other.name, body2=link.name)


def _add_drives(root: ET.Element, scene: Scene) -> None:
    actuator = ET.SubElement(root, "actuator")
    robot = scene.robot
    for joint, low, high in zip(robot.joints, *robot.control_range, strict=True):
        drive, kind = joint.drive, joint.drive.kind
        attributes = {"name": f"{joint.name}_drive", "joint": joint.name}
        attributes["ctrlrange"] = _numbers((low, high))
        if isinstance(drive, PositionDrive):
            limit = _numbers((-drive.effort_limit_nm, drive.effort_limit_nm))
            attributes |= {"kp": repr(drive.stiffness), "kv": repr(drive.damping)}
            attributes["forcerange"] = limit
        ET.SubElement(actuator, "motor" if kind == "torque" else kind, attributes)


def _add_contact_sensors(root: ET.Element, scene: Scene) -> None:
    """The net force that a link exerts on what touches it, world axes."""
    sensor = ET.SubElement(root, "sensor")
    for link in scene.contact_links:
        what = {"body1": link, "data": "force", "reduce": "netforce", "num": "1"}
        ET.SubElement(sensor, "contact", {"name": f"{link}_contact", **what})


def _friction(sliding: float) -> str:
    return _numbers((sliding, 0.005, 0.0001))


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{value:.9g}" for value in np.asarray(values, float).ravel())
