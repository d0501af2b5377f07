"""Small rotations and distances on vectors of one environment; `vmap` at the edge."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np


def pair_indices(count: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second member of each of the P unordered pairs, `[P]` each: 01, 02, .., 12, ..."""
    first, second = zip(*itertools.combinations(range(count), 2), strict=True)
    return np.array(first), np.array(second)


def pair_distances(pos: jax.Array) -> jax.Array:
    """Distances `[P]` (m) of the unordered pairs of points `pos [S, 3]`."""
    first, second = pair_indices(pos.shape[0])
    return safe_norm(pos[first] - pos[second])


def safe_norm(vector: jax.Array) -> jax.Array:
    """Length of `vector [..., 3]`, with a finite derivative at zero."""
    return jnp.sqrt(jnp.sum(vector**2, axis=-1) + 1e-12)


def compose(first: jax.Array, second: jax.Array | np.ndarray) -> jax.Array:
    """Product `[3, 3]` of two matrices, in full float32.

    Written out term by term: on a GPU a matrix product is by default rounded to TF32 (a relative
    5e-4, which is half a millimetre here), and on either device a product or a sum over an axis is a
    kernel of its own, where terms melt into the code around them.
    """
    left, middle, right = (first[:, k : k + 1] * second[k : k + 1, :] for k in range(3))
    return left + middle + right


def turn(matrix: jax.Array, vector: jax.Array | np.ndarray) -> jax.Array:
    """Image `[3]` of `vector [3]` under `matrix [3, 3]`, in full float32."""
    return matrix[:, 0] * vector[0] + matrix[:, 1] * vector[1] + matrix[:, 2] * vector[2]


def turn_about_z(matrix: jax.Array | np.ndarray, angle: jax.Array) -> jax.Array:
    """`matrix [..., 3, 3]` times the rotations by `angle [...]` (rad) about z."""
    x, y, z = (matrix[..., k] for k in range(3))
    cos, sin = jnp.cos(angle)[..., None], jnp.sin(angle)[..., None]
    return jnp.stack([x * cos + y * sin, y * cos - x * sin, z], axis=-1)


def quat_x_axis(quat: jax.Array) -> jax.Array:
    """Image `[..., 3]` of the x axis under `quat [..., 4]` (wxyz)."""
    w, x, y, z = (quat[..., i] for i in range(4))
    return jnp.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=-1)


def rotation_about(axis_angle: jax.Array) -> jax.Array:
    """Rotation matrix `[3, 3]` of the vector `axis_angle [3]` (rad), Rodrigues' formula."""
    angle = jnp.sqrt(jnp.sum(axis_angle**2) + 1e-16)
    x, y, z = axis_angle / angle
    zero = jnp.zeros_like(x)
    cross = jnp.stack(
        [jnp.stack([zero, -z, y]), jnp.stack([z, zero, -x]), jnp.stack([-y, x, zero])]
    )
    return jnp.eye(3) + jnp.sin(angle) * cross + (1 - jnp.cos(angle)) * compose(cross, cross)


def limit_tilt(rotation: jax.Array, max_tilt_rad: float) -> jax.Array:
    """`rotation [3, 3]` with its z axis turned back to within `max_tilt_rad` of straight down."""
    axis = rotation[:, 2]
    down = jnp.array([0.0, 0.0, -1.0])
    pivot = jnp.cross(axis, down)
    sine = jnp.sqrt(jnp.sum(pivot**2) + 1e-16)
    tilt = jnp.arctan2(sine, -axis[2])
    excess = jnp.maximum(tilt - max_tilt_rad, 0.0)
    return compose(rotation_about(pivot / sine * excess), rotation)
