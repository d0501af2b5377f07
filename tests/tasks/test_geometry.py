"""Rotations and distances against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from screwpush_jax.tasks import parts
from screwpush_jax.tasks.screws import geometry

RNG = np.random.default_rng(0)


@pytest.fixture
def rotations():
    return Rotation.random(50, random_state=1)


def wxyz(rotation: Rotation) -> jnp.ndarray:
    return jnp.asarray(rotation.as_quat()[:, [3, 0, 1, 2]], jnp.float32)


@pytest.mark.slow
def test_products_of_matrices_and_vectors():
    first, second = (jnp.asarray(m, jnp.float32) for m in RNG.normal(size=(2, 3, 3)))
    vector = jnp.asarray(RNG.normal(size=3), jnp.float32)
    exact = np.asarray(first, np.float64) @ np.asarray(second, np.float64)
    np.testing.assert_allclose(geometry.compose(first, second), exact, atol=1e-6)
    np.testing.assert_allclose(
        geometry.turn(first, vector), np.asarray(first, float) @ np.asarray(vector), atol=1e-6
    )


@pytest.mark.slow
def test_quaternion_to_matrix(rotations):
    np.testing.assert_allclose(
        parts.quat_to_matrix(wxyz(rotations)), rotations.as_matrix(), atol=2e-6
    )


def test_quaternion_to_x_axis(rotations):
    np.testing.assert_allclose(
        geometry.quat_x_axis(wxyz(rotations)), rotations.apply([1, 0, 0]), atol=2e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 0.05, 1.0, 3.1])
def test_rotation_about_an_axis(angle):
    axis = np.array([0.48, -0.6, 0.64])
    got = geometry.rotation_about(jnp.asarray(axis * angle, jnp.float32))
    np.testing.assert_allclose(got, Rotation.from_rotvec(axis * angle).as_matrix(), atol=1e-6)


@pytest.mark.slow
def test_no_rotation_has_a_finite_derivative():
    jacobian = jax.jacobian(geometry.rotation_about)(jnp.zeros(3))
    assert np.isfinite(jacobian).all()


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 8])
def test_pair_distances_in_lexicographic_order(count):
    points = RNG.normal(size=(count, 3))
    got = geometry.pair_distances(jnp.asarray(points, jnp.float32))
    np.testing.assert_allclose(got, pdist(points), rtol=1e-5)


def test_pairs_of_three():
    first, second = geometry.pair_indices(3)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]


@pytest.mark.slow
def test_the_length_of_nothing_has_a_finite_derivative():
    assert np.isfinite(jax.grad(geometry.safe_norm)(jnp.zeros(3))).all()
    assert geometry.safe_norm(jnp.array([3.0, 4.0, 0.0])) == pytest.approx(5.0)


def test_tilt_beyond_the_limit_is_turned_back_about_the_same_axis():
    """Tilted by 0.8 about a level axis and limited to 0.35: the same turn, shortened."""
    upright = Rotation.from_euler("y", np.pi)
    level = np.array([0.6, -0.8, 0.0])
    tilted, limited = (Rotation.from_rotvec(level * angle) * upright for angle in (0.8, 0.35))
    got = geometry.limit_tilt(jnp.asarray(tilted.as_matrix(), jnp.float32), 0.35)
    np.testing.assert_allclose(got, limited.as_matrix(), atol=2e-6)


@pytest.mark.parametrize("tilt", [0.0, 0.1, 0.34])
def test_tilt_within_the_limit_is_kept(tilt):
    rotation = (
        Rotation.from_rotvec([0, tilt, 0]) * Rotation.from_euler("yz", [np.pi, 0.7])
    ).as_matrix()
    got = geometry.limit_tilt(jnp.asarray(rotation, jnp.float32), 0.35)
    np.testing.assert_allclose(got, rotation, atol=2e-6)


@pytest.mark.slow
def test_limited_tilt_is_within_the_limit_for_any_rotation(rotations):
    limit = jax.vmap(lambda r: geometry.limit_tilt(r, 0.35))
    got = np.asarray(limit(jnp.asarray(rotations.as_matrix(), jnp.float32)))
    tilt = np.arccos(np.clip(-got[:, 2, 2], -1, 1))
    assert tilt.max() < 0.35 + 1e-3
    np.testing.assert_allclose(got @ got.swapaxes(1, 2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-5)
