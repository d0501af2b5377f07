"""What only a renderer needs: solids on links and bodies, marks, lights and cameras, as MJCF.

Nothing here touches physics: every geom is massless, collides with nothing and is in group 2.
"""

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

import numpy as np

from screwpush_sim.builders import meshes
from screwpush_sim.scene import BodyGroup, Link, RobotModel, Scene
from screwpush_sim.visual import Camera, Mark, View

Vec3 = tuple[float, float, float]

MATERIALS: dict[str, dict[str, str]] = {
    "shell": {"rgba": "0.86 0.87 0.88 1", "specular": "0.35", "shininess": "0.55"},
    "accent": {"rgba": "0.02 0.36 0.62 1", "specular": "0.4", "shininess": "0.5"},
    "dark": {"rgba": "0.13 0.14 0.15 1", "specular": "0.25", "shininess": "0.3"},
    "steel": {"rgba": "0.58 0.60 0.63 1", "specular": "1", "shininess": "0.5"},
    "zinc": {"rgba": "0.56 0.55 0.53 1", "specular": "1", "shininess": "0.35"},
    "bench": {"rgba": "0.58 0.60 0.62 1", "specular": "0.2", "shininess": "0.3"},
    "signal": {"rgba": "0.90 0.25 0.06 1", "specular": "0.3", "shininess": "0.3"},
    "mark": {"rgba": "0.88 0.80 0.35 1", "specular": "0", "shininess": "0"},
    "mat": {"texture": "mat", "texuniform": "true", "texrepeat": "11 11", "specular": "0.05"},
    "floor": {"texture": "floor", "texuniform": "true", "texrepeat": "0.8 0.8", "specular": "0.1"},
}  # fmt: skip


def add_surroundings(root: ET.Element, asset: ET.Element, world: ET.Element, scene: Scene) -> None:
    """Renderer settings, materials, meshes, marks, lights and cameras."""
    _add_quality(root, scene.view)
    _add_textures(asset)
    for name, look in MATERIALS.items():
        ET.SubElement(asset, "material", {"name": name, **look})
    for owner in (*scene.groups, *scene.robot.links):
        for name, material in _mesh_names(owner):
            solids = [meshes.build(v) for v in owner.visuals if v.material == material]
            meshes.add_mesh(asset, name, meshes.merge(solids))
    for mark in scene.marks:
        _add_mark(world, mark)
    if not scene.view.follows:
        _add_onlookers(world, scene, np.zeros(3), "fixed")


def add_followers(body: ET.Element, link: Link, scene: Scene) -> None:
    """Lights and cameras, if they go with this link."""
    if link.name == scene.view.follows:
        _add_onlookers(body, scene, _home_pos(scene.robot, link), "track")


def add_solids(body: ET.Element, owner: Link | BodyGroup, instead: str = "") -> None:
    """The visuals of one link or body, a geom for each material; `add_surroundings` makes the
    meshes. `instead` is a material that takes the place of all."""
    for name, material in _mesh_names(owner):
        _add_geom(body, type="mesh", mesh=name, material=instead or material)


def _mesh_names(owner: Link | BodyGroup) -> Iterator[tuple[str, str]]:
    """Name and material of each mesh that the owner's visuals become."""
    for material in sorted({visual.material for visual in owner.visuals}):
        yield f"{owner.name}_{material}_visual", material


def _add_geom(parent: ET.Element, **attributes: str) -> None:
    harmless = {"contype": "0", "conaffinity": "0", "mass": "0", "group": "2"}
    ET.SubElement(parent, "geom", {**attributes, **harmless})


def _add_mark(world: ET.Element, mark: Mark) -> None:
    if mark.kind == "plane":
        form = {"type": "plane", "pos": f"0 0 {mark.height_m}", "size": "0 0 0.1"}
    elif mark.kind == "disc":
        size = _text((mark.radius_m, 0.0005))
        form = {"type": "cylinder", "pos": _text(mark.center_w), "size": size}
    else:
        centre = np.add(mark.low_w, mark.high_w) / 2
        half = np.subtract(mark.high_w, mark.low_w) / 2
        form = {"type": "box", "pos": _text(centre), "size": _text(half)}
    _add_geom(world, material=mark.material, **form)


def _add_onlookers(parent: ET.Element, scene: Scene, origin_w: np.ndarray, mode: str) -> None:
    """Lights and cameras in a body whose origin is there, by MuJoCo's word for how they go with it."""
    _add_lights(parent, scene.view, origin_w, mode)
    for camera in scene.cameras:
        _add_camera(parent, camera, origin_w, mode)


def _home_pos(robot: RobotModel, link: Link) -> np.ndarray:
    """Where a link's origin is with the joints at zero and no link turned, world."""
    by_name, place = {one.name: one for one in robot.links}, np.zeros(3)
    above: Link | None = link
    while above is not None:
        place = place + above.offset_m
        above = by_name.get(above.parent)
    return place


def _add_lights(parent: ET.Element, view: View, origin_w: np.ndarray, mode: str) -> None:
    """Place and target of each light are laid out about the view's centre."""
    lights: tuple[tuple[str, Vec3, Vec3, float, float, str], ...] = (
        ("key", (-1.5, 0.35, 1.35), (0.0, -0.05, -0.2), 0.58, 0.65, "true"),
        ("fill", (-1.1, -2.2, 1.2), (0.1, 0.0, -0.1), 0.22, 0.10, "false"),
        ("rim", (2.3, 0.6, 1.4), (0.1, 0.0, -0.1), 0.18, 0.25, "false"),
    )
    for name, pos, target, diffuse, specular, shadow in lights:
        look = {"diffuse": _text([diffuse] * 3), "specular": _text([specular] * 3)}
        place = np.add(view.center_w, pos) - origin_w
        aim = {"pos": _text(place), "dir": _text(np.subtract(target, pos))}
        kind = {"name": name, "type": "directional", "castshadow": shadow, "mode": mode}
        ET.SubElement(parent, "light", {**kind, **aim, **look})


def _add_camera(parent: ET.Element, camera: Camera, origin_w: np.ndarray, mode: str) -> None:
    back = np.subtract(camera.pos_w, camera.target_w)
    right = np.cross((0.0, 0.0, 1.0), back)
    axes = _text(np.concatenate([right, np.cross(back, right)]))
    place = {"name": camera.name, "pos": _text(camera.pos_w - origin_w), "xyaxes": axes}
    ET.SubElement(parent, "camera", {**place, "mode": mode, "fovy": str(camera.fovy_deg)})


def _add_textures(asset: ET.Element) -> None:
    sky = {"type": "skybox", "builtin": "gradient", "width": "256", "height": "1536"}
    ET.SubElement(asset, "texture", {"rgb1": "0.80 0.83 0.86", "rgb2": "0.55 0.59 0.63", **sky})
    flat = {"type": "2d", "builtin": "flat", "width": "512", "height": "512", "mark": "random"}
    felt = {"rgb1": "0.14 0.27 0.25", "markrgb": "0.19 0.34 0.31", "random": "0.35"}
    ET.SubElement(asset, "texture", {"name": "mat", **flat, **felt})
    concrete = {"rgb1": "0.20 0.21 0.22", "markrgb": "0.17 0.18 0.19", "random": "0.2"}
    ET.SubElement(asset, "texture", {"name": "floor", **flat, **concrete})


def _add_quality(root: ET.Element, view: View) -> None:
    visual = ET.SubElement(root, "visual")
    head = {"ambient": "0.28 0.28 0.29", "diffuse": "0.14 0.14 0.14", "specular": "0 0 0"}
    ET.SubElement(visual, "headlight", head)
    ET.SubElement(visual, "quality", shadowsize="2048", offsamples="4")
    ET.SubElement(visual, "map", znear="0.02", zfar="10", shadowclip="1.25", haze="0.5")
    ET.SubElement(visual, "rgba", haze="0.55 0.59 0.63 1")
    extent = str(view.extent_m)
    ET.SubElement(root, "statistic", center=_text(view.center_w), extent=extent)


def _text(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{float(v):.6g}" for v in values)
