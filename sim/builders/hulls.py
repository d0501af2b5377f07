"""Convex solids by their corners, for engines that do better with these."""

import math

import numpy as np

from screwpush_sim.builders.rotations import rotate, turn_x_to
from screwpush_sim.scene import Capsule, Hull

_SIDES = 15
"""Of the cylinder: with two poles and four rings of corners 62, of the 64 that PhysX's GPU takes."""


def hull_of(capsule: Capsule) -> Hull:
    """A hull that is as far outside the capsule as inside it.

    Its surface is off by at most 0.011 of the radius along the cylinder, and by 0.07 at the round ends.
    """
    start, end = np.array(capsule.start_m, float), np.array(capsule.end_m, float)
    half_m = float(np.linalg.norm(end - start)) / 2
    corners = _corners(half_m, capsule.radius_m)
    turn = turn_x_to(end - start)
    placed = [(start + end) / 2 + rotate(turn, corner) for corner in corners]
    return Hull(
        capsule.name,
        tuple((float(x), float(y), float(z)) for x, y, z in placed),
        _faces(),
        meets=capsule.meets,
        friction=capsule.friction,
        material=capsule.material,
    )


def _corners(half_m: float, radius_m: float) -> np.ndarray:
    """Corners `[62, 3]` of a capsule along x: a pole, four rings from -x to +x, the other pole."""
    out = _outside(radius_m, math.pi / _SIDES)
    cap = _outside(radius_m, math.pi / 8)  # an end has two edges in a right angle
    slope = math.sqrt(0.5)
    profile = [(-half_m - slope * cap, slope * cap * out / radius_m), (-half_m, out)]
    profile += [(-x, radius) for x, radius in reversed(profile)]
    angle = 2 * math.pi * np.arange(_SIDES) / _SIDES
    rings = [
        np.stack([np.full(_SIDES, x), radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        for x, radius in profile
    ]
    pole = np.array([[half_m + cap, 0.0, 0.0]])
    return np.concatenate([-pole, *rings, pole])


def _outside(radius_m: float, half_angle_rad: float) -> float:
    """Distance of a polygon's corners whose sides are as far inside the circle as these are outside."""
    return radius_m * 2 / (1 + math.cos(half_angle_rad))


def _faces() -> tuple[tuple[int, ...], ...]:
    """Polygons of the corners above, counterclockwise from outside."""
    last = 4 * _SIDES + 1
    faces: list[tuple[int, ...]] = []
    for side in range(_SIDES):
        after = (side + 1) % _SIDES
        faces.append((0, 1 + after, 1 + side))
        for ring in range(3):
            low, high = 1 + ring * _SIDES, 1 + (ring + 1) * _SIDES
            faces.append((low + side, low + after, high + after, high + side))
        faces.append((last, last - _SIDES + side, last - _SIDES + after))
    return tuple(faces)
