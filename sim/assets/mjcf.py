"""The scene as MJCF, generated from `elfin15`, `bolt` and the scene's configuration."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import numpy as np

from sim.assets import elfin15, visuals
from sim.assets.bolt import Bolt
from sim.scene import SceneConfig

# Contact bits. Screws meet everything but the wrist; the wrist meets the table only.
_TABLE = {"contype": "1", "conaffinity": "3"}
_SCREW = {"contype": "1", "conaffinity": "1"}
_WRIST = {"contype": "2", "conaffinity": "0"}


def screw_name(index: int) -> str:
    return f"screw{index + 1}"


def build_mjcf(scene: SceneConfig, *, with_visuals: bool = False) -> str:
    """MJCF text of one scene; `with_visuals` adds what only a renderer needs."""
    root = ET.Element("mujoco", model="screwpush")
    ET.SubElement(root, "compiler", angle="radian", autolimits="true")
    option = ET.SubElement(
        root,
        "option",
        timestep=repr(scene.physics_dt_s),
        ls_iterations="20",
        integrator="implicitfast",
        cone=scene.cone,
    )
    # A state that has blown up must be seen and judged, not silently reset by the engine.
    ET.SubElement(option, "flag", autoreset="disable")
    asset = ET.SubElement(root, "asset")
    ET.SubElement(asset, "mesh", name="bolt_head", vertex=_numbers(scene.screw.head_vertices_m()))
    world = ET.SubElement(root, "worldbody")
    table = {"friction": _friction(scene), **_TABLE}
    if with_visuals:
        visuals.add_surroundings(root, asset, world, scene.screw)
        table["rgba"] = "0 0 0 0"
    table |= {"name": "table", "type": "plane", "size": "2 2 0.1", "condim": "3"}
    ET.SubElement(world, "geom", table)
    _add_arm(world, scene, with_visuals)
    for index in range(scene.num_screws):
        _add_screw(world, index, scene, with_visuals)
    _add_drives(root)
    return ET.tostring(root, encoding="unicode")


def _add_arm(world: ET.Element, scene: SceneConfig, with_visuals: bool) -> None:
    parent = ET.SubElement(world, "body", name="base", pos=_numbers(elfin15.BASE_POS_W))
    if with_visuals:
        visuals.add_link(parent, "base")
    for link in elfin15.LINKS:
        parent = ET.SubElement(
            parent,
            "body",
            name=link.name,
            pos=_numbers(link.offset_m),
            quat=_numbers(link.rotation_wxyz),
            gravcomp="1",
        )
        ET.SubElement(
            parent,
            "inertial",
            pos=_numbers(link.com_m),
            mass=repr(link.mass_kg),
            diaginertia=_numbers(link.inertia_kgm2),
        )
        ET.SubElement(
            parent,
            "joint",
            name=_joint_name(link),
            axis="0 0 1",
            range=_numbers((-link.range_rad, link.range_rad)),
            armature=repr(link.armature_kgm2),
        )
        if with_visuals:
            visuals.add_link(parent, link.name)
        if link.name == "link5":
            _add_wrist(parent)
    _add_tool(parent, scene, with_visuals)


def _add_wrist(link5: ET.Element) -> None:
    radius = repr(elfin15.WRIST_SPHERE_RADIUS_M)
    sphere = {"name": "wrist", "type": "sphere", "size": radius, "rgba": "0 0 0 0", "group": "3"}
    ET.SubElement(link5, "geom", sphere | _WRIST)


def _add_tool(link6: ET.Element, scene: SceneConfig, with_visuals: bool) -> None:
    """The rod is a body of its own, so that its mass adds to the flange's given inertia."""
    tool = ET.SubElement(link6, "body", name="tool", gravcomp="1")
    rod = {
        "name": "rod",
        "type": "capsule",
        "size": repr(elfin15.ROD_RADIUS_M),
        "fromto": _numbers((0, 0, elfin15.ROD_START_M, 0, 0, elfin15.ROD_END_M)),
        "density": repr(elfin15.ROD_DENSITY),
        "friction": _friction(scene),
        "condim": "3",
    }
    look = {"material": "steel"} if with_visuals else {}
    ET.SubElement(tool, "geom", rod | _SCREW | look)
    ET.SubElement(tool, "site", name="tip", pos=_numbers((0, 0, elfin15.TIP_M)), size="0.002")


def _add_screw(world: ET.Element, index: int, scene: SceneConfig, with_visuals: bool) -> None:
    bolt: Bolt = scene.screw
    mass, com_x, inertia = bolt.inertia()
    spot = (-0.75, 0.12 * (index - (scene.num_screws - 1) / 2), 0.01)
    body = ET.SubElement(world, "body", name=screw_name(index), pos=_numbers(spot))
    ET.SubElement(body, "freejoint", name=screw_name(index))
    ET.SubElement(
        body,
        "inertial",
        pos=_numbers((com_x, 0, 0)),
        mass=repr(mass),
        diaginertia=_numbers(inertia),
    )
    shape = {"friction": _friction(scene), "condim": "3", **_SCREW}
    if with_visuals:
        shape |= {"rgba": "0 0 0 0", "group": "3"}
        visuals.add_bolt(body, bolt)
    start, end = bolt.shank_axis_m
    shank = {
        "name": f"{screw_name(index)}_shank",
        "type": "capsule",
        "size": repr(bolt.shank_radius_m),
        "fromto": _numbers((start, 0, 0, end, 0, 0)),
    }
    head = {"name": f"{screw_name(index)}_head", "type": "mesh", "mesh": "bolt_head"}
    for part in (shank, head):
        ET.SubElement(body, "geom", part | shape)


def _add_drives(root: ET.Element) -> None:
    actuator = ET.SubElement(root, "actuator")
    for link in elfin15.LINKS:
        ET.SubElement(
            actuator,
            "position",
            name=f"{_joint_name(link)}_drive",
            joint=_joint_name(link),
            kp=repr(link.stiffness),
            kv=repr(link.damping),
            forcerange=_numbers((-link.torque_limit_nm, link.torque_limit_nm)),
            ctrlrange=_numbers((-link.range_rad, link.range_rad)),
        )


def _joint_name(link: elfin15.Link) -> str:
    return link.name.replace("link", "joint")


def _friction(scene: SceneConfig) -> str:
    return _numbers((scene.friction, 0.005, 0.0001))


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{value:.9g}" for value in np.asarray(values, float).ravel())
