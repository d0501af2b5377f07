"""Unit quaternions (wxyz) of single bodies, float64."""

from collections.abc import Sequence

import numpy as np

NO_TURN = np.array([1.0, 0.0, 0.0, 0.0])


def turn_x_to(axis: Sequence[float] | np.ndarray) -> np.ndarray:
    """The shortest turn (wxyz) of the x axis to `axis`."""
    unit = np.asarray(axis, float) / np.linalg.norm(axis)
    if unit[0] < -1 + 1e-12:
        return np.array([0.0, 0.0, 0.0, 1.0])  # half a turn about z
    quat = np.array([1.0 + unit[0], *np.cross([1.0, 0.0, 0.0], unit)])
    return quat / np.linalg.norm(quat)


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The turn `b` and then `a`."""
    w = a[0] * b[0] - a[1:] @ b[1:]
    return np.array([w, *(a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:]))])


def rotate(quat: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """`vector` turned by `quat`."""
    twice = 2.0 * np.cross(quat[1:], vector)
    return vector + quat[0] * twice + np.cross(quat[1:], twice)


def quat_of(matrix: np.ndarray) -> np.ndarray:
    """Quaternion (wxyz) of a rotation matrix: the eigenvector of Bar-Itzhack's form of it."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    form = np.array([
        [a + e + i, h - f, c - g, d - b],
        [h - f, a - e - i, b + d, c + g],
        [c - g, b + d, e - a - i, f + h],
        [d - b, c + g, f + h, i - a - e],
    ])  # fmt: skip
    quat = np.linalg.eigh(form)[1][:, -1]
    return quat if quat[0] >= 0 else -quat
