"""A capsule as a hull, against the capsule's own distance function and scipy's convex hull."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from screwpush_sim.builders.hulls import hull_of
from screwpush_sim.scene import Capsule

CAPSULE = Capsule("shank", (0.01, -0.02, 0.03), (0.05, 0.03, 0.01), 0.006, friction=0.3)


def radii(points: np.ndarray, capsule: Capsule) -> np.ndarray:
    """Distance of each point from the capsule's segment."""
    start, end = np.array(capsule.start_m), np.array(capsule.end_m)
    along = np.clip((points - start) @ (end - start) / np.sum((end - start) ** 2), 0, 1)
    return np.linalg.norm(points - (start + along[:, None] * (end - start)), axis=1)


@pytest.mark.parametrize("end", [CAPSULE.end_m, (0.01, -0.02, -0.04), (-0.1, -0.02, 0.03)])
def test_its_surface_is_the_capsules_within_a_thirteenth_of_the_radius(end):
    capsule = dataclasses.replace(CAPSULE, end_m=end)
    corners = np.array(hull_of(capsule).vertices_m)
    assert len(corners) <= 64
    assert len(ConvexHull(corners).vertices) == len(corners)
    weights = np.random.default_rng(0).dirichlet(np.ones(3), size=2000)
    of_surface = ConvexHull(corners).simplices
    picked = of_surface[np.random.default_rng(1).integers(len(of_surface), size=2000)]
    points = np.einsum("nk,nkd->nd", weights, corners[picked])
    ratio = radii(points, capsule) / capsule.radius_m
    assert ratio.max() < 1.045
    assert ratio.min() > 0.925
    axis = np.array(end) - np.array(capsule.start_m)
    along = (points - np.array(capsule.start_m)) @ axis / (axis @ axis)
    on_cylinder = (along > 0) & (along < 1)
    assert on_cylinder.sum() > 300
    assert abs(ratio[on_cylinder] - 1).max() < 0.012


def test_its_faces_look_outwards_and_close():
    hull = hull_of(CAPSULE)
    corners = np.array(hull.vertices_m)
    middle = corners.mean(axis=0)
    edges = set()
    for face in hull.faces:
        at = corners[list(face)]
        normal = np.cross(at[1] - at[0], at[2] - at[1])
        assert normal @ (at[0] - middle) > 0
        assert np.abs((at - at[0]) @ normal).max() < 1e-9 * np.linalg.norm(normal) + 1e-12
        edges |= {(a, b) for a, b in zip(face, (*face[1:], face[0]), strict=True)}
    assert all((b, a) in edges for a, b in edges)


def test_it_meets_and_rubs_as_the_capsule_does():
    hull = hull_of(dataclasses.replace(CAPSULE, meets="ground"))
    assert (hull.name, hull.friction, hull.meets) == ("shank", 0.3, "ground")
