"""Mass, centre and moments of the solid shapes of `sim/scene.py`, for whoever must be told them."""

import math

import numpy as np

from screwpush_sim.scene import BodyGroup, Box, Capsule, Link, Shape, Sphere, Vec3


def center_of(owner: Link | BodyGroup) -> Vec3:
    """Centre of mass (m) in the owner's frame; the origin of what has no mass."""
    if owner.inertia is not None:
        return owner.inertia.com_m
    if not owner.density:
        return 0.0, 0.0, 0.0
    x, y, z = of_density(owner.shapes, owner.density)[1]
    return float(x), float(y), float(z)


def of_density(shapes: tuple[Shape, ...], density: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass (kg), its centre `[3]` (m) and inertia `[3, 3]` about it (kg m2) of all `shapes`.

    Shapes that overlap count twice, as in MuJoCo.

    Raises:
      ValueError: a hull is among them: give the inertia instead.
    """
    parts = [_one(shape, density) for shape in shapes]
    mass = sum(part[0] for part in parts)
    center = sum((m * c for m, c, _ in parts), np.zeros(3)) / mass
    inertia = np.zeros((3, 3))
    for part_mass, part_center, part_inertia in parts:  # Steiner's theorem
        arm = part_center - center
        inertia += part_inertia + part_mass * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return mass, center, inertia


def _one(shape: Shape, density: float) -> tuple[float, np.ndarray, np.ndarray]:
    if isinstance(shape, Capsule):
        return _capsule(shape, density)
    if isinstance(shape, Sphere):
        mass = density * 4 / 3 * math.pi * shape.radius_m**3
        return mass, np.array(shape.center_m), 2 / 5 * mass * shape.radius_m**2 * np.eye(3)
    if isinstance(shape, Box):
        half = np.array(shape.half_m)
        mass = density * 8 * float(np.prod(half))
        return mass, np.array(shape.center_m), np.diag(mass / 3 * (half @ half - half**2))
    raise ValueError(f"shape {shape.name!r} is a hull: give its owner an inertia, not a density")


def _capsule(capsule: Capsule, density: float) -> tuple[float, np.ndarray, np.ndarray]:
    start, end, radius = np.array(capsule.start_m), np.array(capsule.end_m), capsule.radius_m
    length = float(np.linalg.norm(end - start))
    tube = density * math.pi * radius**2 * length
    ball = density * 4 / 3 * math.pi * radius**3
    axial = tube * radius**2 / 2 + ball * 2 / 5 * radius**2
    across = tube * (length**2 / 12 + radius**2 / 4) + ball * (
        2 / 5 * radius**2 + length**2 / 4 + 3 / 8 * length * radius
    )
    axis = (end - start) / length
    along = np.outer(axis, axis)
    return tube + ball, (start + end) / 2, axial * along + across * (np.eye(3) - along)
