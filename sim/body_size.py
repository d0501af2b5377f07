"""The same scene with all free bodies larger or smaller."""

import dataclasses
from typing import Any

from screwpush_sim.scene import BodyGroup, Inertia, Scene, Shape, Vec3

_LENGTHS = ("start_m", "end_m", "center_m", "half_m", "radius_m", "vertices_m")


def with_body_size(scene: Scene, factor: float) -> Scene:
    """`scene` with every length of its bodies times `factor`, their density as before; they are drawn as
    before, too, and begin at the same places."""
    groups = tuple(_scaled_group(group, factor) for group in scene.groups)
    return dataclasses.replace(scene, groups=groups)


def _scaled_group(group: BodyGroup, factor: float) -> BodyGroup:
    shapes = tuple(_scaled_shape(shape, factor) for shape in group.shapes)
    inertia = group.inertia and _scaled_inertia(group.inertia, factor)
    return dataclasses.replace(group, shapes=shapes, inertia=inertia)


def _scaled_shape(shape: Shape, factor: float) -> Shape:
    lengths = {name: getattr(shape, name) for name in _LENGTHS if hasattr(shape, name)}
    changes: dict[str, Any] = {name: _times(value, factor) for name, value in lengths.items()}
    return dataclasses.replace(shape, **changes)


def _scaled_inertia(inertia: Inertia, factor: float) -> Inertia:
    x, y, z = inertia.moments_kgm2
    moments: Vec3 = (factor**5 * x, factor**5 * y, factor**5 * z)
    return Inertia(factor**3 * inertia.mass_kg, _times(inertia.com_m, factor), moments)


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, tuple):
        return tuple(_times(part, factor) for part in value)
    return factor * value
