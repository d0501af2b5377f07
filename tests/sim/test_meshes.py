"""The meshes of the pictures: closed, facing outward, and of the sizes that were asked for."""

import numpy as np
import pytest

from screwpush_sim.assets import bolt as bolts
from screwpush_sim.assets.bolt import Bolt
from screwpush_sim.builders import meshes


def hex_bolt(bolt: Bolt) -> meshes.Mesh:
    return meshes.merge([meshes.build(visual) for visual in bolts.visuals(bolt)])


def volume(mesh: meshes.Mesh) -> float:
    """By the divergence theorem: negative where the faces look inward."""
    a, b, c = (mesh.vertex[mesh.face[:, i]] for i in range(3))
    return float(np.sum(a * np.cross(b, c)) / 6)


def open_edges(mesh: meshes.Mesh) -> int:
    """Directed edges without their opposite: none in a closed surface of one orientation."""
    _, place = np.unique(mesh.vertex.round(9), axis=0, return_inverse=True)
    face = place.reshape(-1)[mesh.face]
    edges = [(a, b) for i in range(3) for a, b in zip(face[:, i], face[:, i - 2], strict=True)]
    there = set(edges)
    assert len(there) == len(edges), "two faces lie on each other"
    return sum((b, a) not in there for a, b in edges)


BARRELS = [
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.3), 0.1, 0.1),
    ((0.1, -0.2, 0.3), (0.4, 0.0, 0.2), 0.12, 0.05),
    ((0.0, 0.5, 0.0), (-0.3, 0.5, 0.0), 0.02, 0.06),
]


@pytest.mark.parametrize(("start", "end", "radius", "end_radius"), BARRELS)
def test_a_barrel_without_fillets_is_a_closed_cone_of_sixty_sides(start, end, radius, end_radius):
    mesh = meshes.barrel(start, end, radius, end_radius, fillet=0.0, sides=60)
    length = np.linalg.norm(np.subtract(end, start))
    polygon = 60 / 2 * np.sin(2 * np.pi / 60)
    want = polygon * length * (radius**2 + radius * end_radius + end_radius**2) / 3
    assert volume(mesh) == pytest.approx(want, rel=1e-6)
    assert open_edges(mesh) == 0


@pytest.mark.parametrize(("start", "end", "radius", "end_radius"), BARRELS)
def test_a_fillet_takes_the_rims_off_and_nothing_else(start, end, radius, end_radius):
    fillet = 0.01
    mesh = meshes.barrel(start, end, radius, end_radius, fillet)
    assert open_edges(mesh) == 0
    length = np.linalg.norm(np.subtract(end, start))
    axis = np.subtract(end, start) / length
    along = (mesh.vertex - start) @ axis
    across = np.linalg.norm(mesh.vertex - start - np.outer(along, axis), axis=1)
    assert (along.min(), along.max()) == pytest.approx((0.0, length), abs=1e-9)
    rims = {
        "near": (0.0, fillet, radius),
        "far": (length, length - fillet, end_radius),
    }
    for cap, rim, size in rims.values():
        assert across[np.isclose(along, cap)].max() == pytest.approx(size - fillet)
        assert across[np.isclose(along, rim)].max() == pytest.approx(size)


@pytest.mark.parametrize(("start", "end", "radius", "end_radius"), BARRELS)
def test_normals_are_unit_vectors_that_point_away_from_the_axis(start, end, radius, end_radius):
    mesh = meshes.barrel(start, end, radius, end_radius, fillet=0.01)
    np.testing.assert_allclose(np.linalg.norm(mesh.normal, axis=1), 1.0, atol=1e-9)
    middle = np.add(start, end) / 2
    assert np.all(np.sum(mesh.normal * (mesh.vertex - middle), axis=1) > 0)


def test_a_seam_is_shaded_as_the_rest():
    """First and last column of a lathe lie on each other and share a normal."""
    tube = meshes.lathe(np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]), sides=12)
    normal = tube.normal.reshape(3, 13, 3)
    np.testing.assert_allclose(normal[:, 0], normal[:, -1])
    np.testing.assert_allclose(normal[1, 0], [0.0, 1.0, 0.0], atol=1e-9)


def test_merged_meshes_keep_their_faces():
    parts = [meshes.barrel(*args, fillet=0.0) for args in BARRELS]
    whole = meshes.merge(parts)
    for name in ("vertex", "normal"):
        corners = [getattr(part, name)[part.face] for part in parts]
        np.testing.assert_array_equal(getattr(whole, name)[whole.face], np.concatenate(corners))


def test_the_bolt_has_the_sizes_of_the_physical_one():
    bolt, mesh = Bolt(), hex_bolt(Bolt())
    x, y, z = mesh.vertex.T
    across = np.hypot(y, z)
    under, top = bolt.head_x_m
    assert (x.min(), x.max()) == pytest.approx((-bolt.length_m / 2, top))
    assert across.max() == pytest.approx(bolt.head_across_corners_m / 2, rel=1e-6)
    assert across[x < under - 1e-9].max() == pytest.approx(bolt.shank_radius_m)
    flats = np.abs(y[x > under + 1e-4] * np.cos(np.pi / 6) + z[x > under + 1e-4] * 0.5).max()
    assert flats == pytest.approx(bolt.head_across_corners_m / 2 * np.cos(np.pi / 6), rel=1e-6)


def test_the_bolt_is_solid_but_for_its_thread():
    """A little less than the volume that its mass was computed from, and faces all outward."""
    solid = Bolt().inertia()[0] / 7850
    assert 0.85 * solid < volume(hex_bolt(Bolt())) < 0.99 * solid


def test_the_thread_is_a_right_handed_helix_of_its_pitch():
    """Its ridge, two rows of four a turn, has climbed by a quarter of the pitch a quarter turn on."""
    pitch, depth = 0.00225, 0.0008
    bolt = Bolt()
    vertex = hex_bolt(bolt).vertex
    x, y, z = vertex[(vertex[:, 0] > -0.04) & (vertex[:, 0] < -0.01)].T
    ridge = np.isclose(np.hypot(y, z), bolt.shank_radius_m)
    assert np.hypot(y, z).min() == pytest.approx(bolt.shank_radius_m - depth)
    sides = [(np.abs(z) < 1e-9) & (y > 0), (np.abs(y) < 1e-9) & (z > 0)]
    for quarter, side in enumerate(sides):
        phase = (x[ridge & side] + bolt.length_m / 2) / pitch * 4 - quarter
        assert set(phase.round(6) % 4) == {0.0, 1.0}
