"""What only a renderer needs: shells of the arm, bolts, bench, lights and cameras, as MJCF.

Nothing here touches physics: every geom is massless, collides with nothing and is in group 2.
"""

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

import numpy as np

from sim.assets import elfin15, meshes
from sim.assets.bolt import Bolt

Vec3 = tuple[float, float, float]

CAMERAS = ("overview", "table")
"""Fixed cameras: arm and bench; the work area from its far side."""


class Part(NamedTuple):
    """One rounded barrel of a link's shell, in the link's frame (m)."""

    material: str
    start: Vec3
    end: Vec3
    radius: float
    end_radius: float | None = None
    fillet: float = 0.004


_FLANGE = elfin15.FLANGE_M

_ARM: dict[str, tuple[Part, ...]] = {
    "base": (
        Part("steel", (0, 0, -0.1), (0, 0, -0.08), 0.165),
        Part("dark", (0, 0, -0.08), (0, 0, 0.0), 0.120),
        Part("shell", (0, 0, 0.0), (0, 0, 0.03), 0.138, None, 0.008),
        Part("shell", (0, 0, 0.02), (0, 0, 0.135), 0.118, 0.108, 0.008),
        Part("dark", (0, 0, 0.13), (0, 0, 0.146), 0.101),
    ),
    "link1": (
        Part("shell", (0, 0, -0.119), (0, 0, 0.09), 0.107, 0.098, 0.03),
        Part("shell", (0, 0.118, 0), (0, -0.072, 0), 0.100, None, 0.020),
        Part("accent", (0, 0.113, 0), (0, 0.127, 0), 0.074, None, 0.006),
        Part("dark", (0, -0.06, 0), (0, -0.09, 0), 0.091),
    ),
    "link2": (
        Part("shell", (0, 0, 0.081), (0, 0, 0.238), 0.100, None, 0.020),
        Part("accent", (0, 0, 0.233), (0, 0, 0.247), 0.074, None, 0.006),
        Part("shell", (0, 0.03, 0.160), (0, 0.70, 0.155), 0.079, 0.070, 0.02),
        Part("shell", (0, 0.73, 0.076), (0, 0.73, 0.228), 0.088, None, 0.018),
        Part("accent", (0, 0.73, 0.223), (0, 0.73, 0.236), 0.064, None, 0.006),
        Part("dark", (0, 0.73, 0.085), (0, 0.73, 0.06), 0.080),
    ),
    "link3": (
        Part("shell", (0, 0, -0.067), (0, 0, 0.100), 0.086, None, 0.018),
        Part("accent", (0, 0, 0.095), (0, 0, 0.108), 0.062, None, 0.006),
        Part("shell", (0, 0, 0), (0.136, 0, 0), 0.080, 0.076, 0.010),
        Part("dark", (0.12, 0, 0), (0.146, 0, 0), 0.070),
    ),
    "link4": (
        Part("shell", (0, 0, 0.142), (0, 0, 0.255), 0.076, 0.072, 0.012),
        Part("shell", (0, 0.01, 0.20), (0, -0.112, 0.335), 0.068, 0.062, 0.06),
        Part("shell", (0, -0.112, 0.28), (0, -0.116, 0.56), 0.062, 0.056, 0.05),
        Part("shell", (0, -0.180, 0.57), (0, -0.064, 0.57), 0.066, None, 0.014),
        Part("accent", (0, -0.176, 0.57), (0, -0.187, 0.57), 0.048, None, 0.005),
        Part("dark", (0, -0.07, 0.57), (0, -0.052, 0.57), 0.058),
    ),
    "link5": (
        Part("shell", (0, 0, -0.056), (0, 0, 0.068), 0.062, None, 0.014),
        Part("accent", (0, 0, 0.064), (0, 0, 0.075), 0.046, None, 0.005),
        Part("shell", (0, 0, 0), (0, -0.080, 0), 0.058, 0.056, 0.006),
        Part("dark", (0, -0.07, 0), (0, -0.088, 0), 0.051),
    ),
    "link6": (
        Part("shell", (0, 0, 0.084), (0, 0, 0.150), 0.056, 0.052, 0.008),
        Part("accent", (0, 0, 0.148), (0, 0, 0.156), 0.0475, None, 0.002),
        Part("steel", (0, 0, 0.154), (0, 0, _FLANGE), 0.040, None, 0.002),
        Part("dark", (0, 0, _FLANGE), (0, 0, _FLANGE + 0.012), 0.030, None, 0.002),
        Part("dark", (0, 0, _FLANGE + 0.01), (0, 0, _FLANGE + 0.036), 0.020, 0.0135, 0.002),
    ),
}

_MATERIALS: dict[str, dict[str, str]] = {
    "shell": {"rgba": "0.86 0.87 0.88 1", "specular": "0.35", "shininess": "0.55"},
    "accent": {"rgba": "0.02 0.36 0.62 1", "specular": "0.4", "shininess": "0.5"},
    "dark": {"rgba": "0.13 0.14 0.15 1", "specular": "0.25", "shininess": "0.3"},
    "steel": {"rgba": "0.58 0.60 0.63 1", "specular": "1", "shininess": "0.5"},
    "zinc": {"rgba": "0.56 0.55 0.53 1", "specular": "1", "shininess": "0.35"},
    "bench": {"rgba": "0.58 0.60 0.62 1", "specular": "0.2", "shininess": "0.3"},
    "mark": {"rgba": "0.88 0.80 0.35 1", "specular": "0", "shininess": "0"},
    "mat": {"texture": "mat", "texuniform": "true", "texrepeat": "11 11", "specular": "0.05"},
    "floor": {"texture": "floor", "texuniform": "true", "texrepeat": "0.8 0.8", "specular": "0.1"},
}  # fmt: skip

_WORK_X, _WORK_HALF, _MAT_HALF = -0.75, 0.35, 0.40
_FLOOR_Z = -0.78


def add_surroundings(root: ET.Element, asset: ET.Element, world: ET.Element, bolt: Bolt) -> None:
    """Renderer settings, materials, meshes, bench, floor, lights and cameras."""
    _add_quality(root)
    _add_textures(asset)
    for name, look in _MATERIALS.items():
        ET.SubElement(asset, "material", {"name": name, **look})
    meshes.add_mesh(asset, "bolt_visual", meshes.hex_bolt(bolt))
    for link, parts in _ARM.items():
        for material in _materials(parts):
            shells = [_barrel(part) for part in parts if part.material == material]
            meshes.add_mesh(asset, f"{link}_{material}", meshes.merge(shells))
    _add_bench(world)
    _add_lights(world)
    _add_camera(world, "overview", (-1.95, -1.70, 1.22), (-0.43, -0.02, 0.37), 36)
    _add_camera(world, "table", (-1.24, -0.26, 0.50), (-0.760, -0.005, 0.0), 36)


def add_link(body: ET.Element, name: str) -> None:
    """The shell of one link, a geom for each material; `name` is `base` or `link1` to `link6`."""
    for material in _materials(_ARM[name]):
        _add_geom(body, type="mesh", mesh=f"{name}_{material}", material=material)


def add_bolt(body: ET.Element, bolt: Bolt) -> None:
    """The bolt; its mesh is made by `add_surroundings`, which takes the same `bolt`."""
    _add_geom(body, type="mesh", mesh="bolt_visual", material="zinc")


def _materials(parts: Sequence[Part]) -> list[str]:
    return sorted({part.material for part in parts})


def _barrel(part: Part) -> meshes.Mesh:
    end_radius = part.radius if part.end_radius is None else part.end_radius
    return meshes.barrel(part.start, part.end, part.radius, end_radius, part.fillet)


def _add_geom(parent: ET.Element, **attributes: str) -> None:
    harmless = {"contype": "0", "conaffinity": "0", "mass": "0", "group": "2"}
    ET.SubElement(parent, "geom", {**attributes, **harmless})


def _add_box(world: ET.Element, material: str, low: Sequence[float], high: Sequence[float]) -> None:
    centre, half = np.add(low, high) / 2, np.subtract(high, low) / 2
    _add_geom(world, type="box", material=material, pos=_text(centre), size=_text(half))


def _add_bench(world: ET.Element) -> None:
    """A bench that carries arm and mat; the mat's top is a hair below the physical table."""
    _add_geom(world, type="plane", material="floor", pos=f"0 0 {_FLOOR_Z}", size="0 0 0.1")
    _add_box(world, "bench", (-1.28, -0.58, -0.045), (0.30, 0.58, -0.004))
    for x in (-1.20, 0.22):
        for y in (-0.50, 0.50):
            _add_box(
                world, "dark", (x - 0.035, y - 0.035, _FLOOR_Z), (x + 0.035, y + 0.035, -0.045)
            )
    near, far = _WORK_X - _MAT_HALF, _WORK_X + _MAT_HALF
    _add_box(world, "mat", (near, -_MAT_HALF, -0.006), (far, _MAT_HALF, -0.0004))
    line, half = 0.002, _WORK_HALF
    for side in (-half, half):
        x, y = _WORK_X + side, side
        _add_box(world, "mark", (x - line, -half - line, -0.002), (x + line, half + line, 0.0))
        _add_box(world, "mark", (_WORK_X - half, y - line, -0.002), (_WORK_X + half, y + line, 0.0))


def _add_lights(world: ET.Element) -> None:
    lights: tuple[tuple[str, Vec3, Vec3, float, float, str], ...] = (
        ("key", (-2.0, 0.35, 1.75), (-0.50, -0.05, 0.20), 0.58, 0.65, "true"),
        ("fill", (-1.6, -2.2, 1.6), (-0.4, 0.0, 0.3), 0.22, 0.10, "false"),
        ("rim", (1.8, 0.6, 1.8), (-0.4, 0.0, 0.3), 0.18, 0.25, "false"),
    )
    for name, pos, target, diffuse, specular, shadow in lights:
        look = {"diffuse": _text([diffuse] * 3), "specular": _text([specular] * 3)}
        aim = {"pos": _text(pos), "dir": _text(np.subtract(target, pos))}
        kind = {"name": name, "type": "directional", "castshadow": shadow}
        ET.SubElement(world, "light", {**kind, **aim, **look})


def _add_camera(world: ET.Element, name: str, pos: Vec3, target: Vec3, fovy_deg: float) -> None:
    """A fixed camera that looks from `pos` at `target` (m), upright."""
    back = np.subtract(pos, target)
    right = np.cross((0.0, 0.0, 1.0), back)
    axes = _text(np.concatenate([right, np.cross(back, right)]))
    ET.SubElement(world, "camera", name=name, pos=_text(pos), xyaxes=axes, fovy=str(fovy_deg))


def _add_textures(asset: ET.Element) -> None:
    sky = {"type": "skybox", "builtin": "gradient", "width": "256", "height": "1536"}
    ET.SubElement(asset, "texture", {"rgb1": "0.80 0.83 0.86", "rgb2": "0.55 0.59 0.63", **sky})
    flat = {"type": "2d", "builtin": "flat", "width": "512", "height": "512", "mark": "random"}
    felt = {"rgb1": "0.14 0.27 0.25", "markrgb": "0.19 0.34 0.31", "random": "0.35"}
    ET.SubElement(asset, "texture", {"name": "mat", **flat, **felt})
    concrete = {"rgb1": "0.20 0.21 0.22", "markrgb": "0.17 0.18 0.19", "random": "0.2"}
    ET.SubElement(asset, "texture", {"name": "floor", **flat, **concrete})


def _add_quality(root: ET.Element) -> None:
    visual = ET.SubElement(root, "visual")
    head = {"ambient": "0.28 0.28 0.29", "diffuse": "0.14 0.14 0.14", "specular": "0 0 0"}
    ET.SubElement(visual, "headlight", head)
    ET.SubElement(visual, "quality", shadowsize="2048", offsamples="4")
    ET.SubElement(visual, "map", znear="0.02", zfar="10", shadowclip="1.25", haze="0.5")
    ET.SubElement(visual, "rgba", haze="0.55 0.59 0.63 1")
    ET.SubElement(root, "statistic", center="-0.5 0 0.4", extent="1.2")


def _text(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{float(v):.6g}" for v in values)
