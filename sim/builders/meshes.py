"""Triangle meshes made in code for the pictures, one for each kind of `visual.Visual`.

A mesh is a list of patches. Shading is smooth inside a patch and creased between patches.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

import numpy as np

from screwpush_sim.visual import HexPrism, Thread, Visual

_CORNER_STEPS, _SIDES = 6, 24
_THREAD_PROFILE = (1.0, 1.0, 0.0, 0.0)
"""Height of the thread over its root at even steps of one turn."""


class Mesh(NamedTuple):
    """Outward-facing triangles with one unit normal per vertex."""

    vertex: np.ndarray  # [V, 3] m
    normal: np.ndarray  # [V, 3]
    face: np.ndarray  # [F, 3] indices of vertices


def patch(points: np.ndarray) -> Mesh:
    """Smooth surface over a grid of points `[R, C, 3]`; its outside is (along C) x (along R)."""
    rows, columns = points.shape[:2]
    vertex = points.reshape(-1, 3)
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    face = np.concatenate(
        [np.stack(corners, -1).reshape(-1, 3) for corners in ((a, b, d), (b, c, d))]
    )
    area = np.cross(
        vertex[face[:, 1]] - vertex[face[:, 0]], vertex[face[:, 2]] - vertex[face[:, 0]]
    )
    solid = np.linalg.norm(area, axis=1) > 1e-12
    return Mesh(vertex, _smooth_normals(vertex, face[solid], area[solid]), face[solid])


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of all triangles."""
    first = np.cumsum([0, *(len(mesh.vertex) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertex for mesh in meshes]),
        np.concatenate([mesh.normal for mesh in meshes]),
        np.concatenate([mesh.face + n for mesh, n in zip(meshes, first, strict=False)]),
    )


def lathe(profile: np.ndarray, sides: int) -> Mesh:
    """Surface of revolution about x; `profile [R, 2]` holds x and radius (m), along x outside."""
    angle = np.linspace(0.0, 2 * math.pi, sides + 1)
    return patch(_around_x(profile[:, :1], profile[:, 1:], angle))


def barrel(
    start: Sequence[float],
    end: Sequence[float],
    radius: float,
    end_radius: float,
    fillet: float,
    sides: int = 40,
) -> Mesh:
    """A cylinder or cone from `start` to `end` (m) whose rims are rounded by `fillet` (m)."""
    tail, axis = np.asarray(start, float), np.asarray(end, float) - start
    length = float(np.linalg.norm(axis))
    turn = np.linspace(0.0, math.pi / 2, _CORNER_STEPS + 1)
    rise, run = fillet * (1 - np.cos(turn)), fillet * (1 - np.sin(turn))
    near = np.stack([rise, radius - run], axis=1)
    far = np.stack([length - rise, end_radius - run], axis=1)[::-1]
    closed = np.concatenate([[[0.0, 0.0]], near, far, [[length, 0.0]]])
    mesh = lathe(closed, sides)
    frame = _frame_along(axis / length)
    return Mesh(mesh.vertex @ frame + tail, mesh.normal @ frame, mesh.face)


def build(visual: Visual) -> Mesh:
    """The mesh of one solid."""
    if visual.kind == "barrel":
        end_radius = visual.radius_m if visual.end_radius_m is None else visual.end_radius_m
        sizes = visual.radius_m, end_radius, visual.fillet_m
        return barrel(visual.start_m, visual.end_m, *sizes)
    if visual.kind == "revolved":
        return lathe(np.array(visual.profile_m), _SIDES)
    if visual.kind == "thread":
        return _thread(visual, _SIDES)
    return merge(_hex_prism(visual))


def add_mesh(asset: ET.Element, name: str, mesh: Mesh) -> None:
    """Writes the mesh into an MJCF `<asset>`."""
    text = {
        "vertex": " ".join(f"{v:.6g}" for v in mesh.vertex.ravel()),
        "normal": " ".join(f"{v:.3g}" for v in mesh.normal.ravel()),
        "face": " ".join(map(str, mesh.face.ravel())),
    }
    ET.SubElement(asset, "mesh", {"name": name, "inertia": "shell", **text})


def _smooth_normals(vertex: np.ndarray, face: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Mean of the faces' area vectors at each place, so that a closed grid shows no seam."""
    _, place = np.unique(vertex.round(7), axis=0, return_inverse=True)
    place = place.reshape(-1)
    total = np.zeros((place.max() + 1, 3))
    np.add.at(total, place[face], area[:, None])
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return (total / np.maximum(length, 1e-12))[place]


def _thread(thread: Thread, sides: int) -> Mesh:
    """A helix: the columns of the grid climb by one pitch in one turn."""
    start, end, root, pitch = thread.start_m, thread.end_m, thread.root_radius_m, thread.pitch_m
    steps = len(_THREAD_PROFILE)
    rows = np.arange(math.ceil((end - start) / pitch + 1) * steps + 1)[:, None]
    turns = np.linspace(0.0, 1.0, sides + 1)
    x = np.clip(start + (rows / steps + turns - 1.0) * pitch, start, end)
    radius = root + thread.depth_m * np.array(_THREAD_PROFILE)[rows % steps]
    lead_in = root - 0.0006 + (x - start)
    return patch(_around_x(x, np.minimum(radius, lead_in), 2 * math.pi * turns))


def _hex_prism(prism: HexPrism) -> list[Mesh]:
    """The corners at its end are cut by a 30 degree cone."""
    under, top, radius, hole = prism.start_m, prism.end_m, prism.radius_m, prism.hole_radius_m
    apothem = radius * math.cos(math.pi / 6)
    flat = np.linspace(-math.pi / 6, math.pi / 6, 9)
    edge = apothem / np.cos(flat)
    cone = top - np.maximum(edge - 0.95 * apothem, 0.0) * math.tan(math.pi / 6)
    patches = [lathe(np.array([[top, 0.95 * apothem], [top, 0.0]]), 48)]
    for side in range(6):
        angle = flat + math.pi / 6 + side * math.pi / 3
        ring = [(under, hole), (under, edge), (cone, edge), (top, 0.95 * apothem)]
        rings = [
            _around_x(np.broadcast_to(x, (1, 9)), np.broadcast_to(r, (1, 9)), angle)
            for x, r in ring
        ]
        patches += [patch(np.concatenate(pair)) for pair in itertools.pairwise(rings)]
    return patches


def _around_x(x: np.ndarray, radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Cylinder coordinates, broadcast against each other, to points `[..., 3]`."""
    return np.stack(np.broadcast_arrays(x, radius * np.cos(angle), radius * np.sin(angle)), axis=-1)


def _frame_along(axis: np.ndarray) -> np.ndarray:
    """Rows: `axis [3]` and two unit vectors that complete a right-handed frame."""
    side = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    side /= np.linalg.norm(side)
    return np.stack([axis, side, np.cross(axis, side)])
