"""Forward and closed-form inverse kinematics of a six-axis arm with a spherical wrist.

The arm's shape comes from `ArmSpec`. What the closed form needs of it holds for the common elbow
arm (and is checked): joint 1 vertical, joints 2 and 3 parallel and horizontal, joints 4 to 6
crossing in one point. Functions take one arm; `vmap` at the edge.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.parts import quat_to_matrix
from screwpush_jax.tasks.screws.geometry import compose, turn, turn_about_z
from screwpush_sim.assets.elfin15 import ArmSpec


class TipPose(NamedTuple):
    """Where the tool is: `pos_w [3]` (m) of its tip, `rotation_w [3, 3]` of the last link."""

    pos_w: jax.Array
    rotation_w: jax.Array


class _ElbowArm(NamedTuple):
    """Lengths (m) and the constant rotation of joint 4's frame that the closed form uses."""

    shoulder_z: float
    upper: float
    forearm: float


def forward_kinematics(arm: ArmSpec, joint_pos_rad: jax.Array) -> TipPose:
    """Tip pose of the joint positions `[J]`."""
    rotation, *links = turn_about_z(_fixed_rotations(arm), joint_pos_rad)
    offsets = np.array(arm.offsets_m, np.float32)
    pos = jnp.asarray(np.array(arm.base_pos_w, np.float32) + offsets[0])
    for offset, link in zip(offsets[1:], links, strict=True):
        pos = pos + turn(rotation, offset) if offset.any() else pos
        rotation = compose(rotation, link)
    return TipPose(pos + arm.tip_m * rotation[:, 2], rotation)


def inverse_kinematics(arm: ArmSpec, pose: TipPose, near_rad: jax.Array) -> jax.Array:
    """Joint positions `[J]` (rad) that reach `pose`, on the wrist branch closest to `near_rad`.

    Pieper's decoupling (1968): the wrist's centre fixes joints 1 to 3 (elbow up), the rest of the
    rotation is a ZYZ triple for joints 4 to 6. A point out of reach gives the stretched arm; limits
    are the caller's. Joint 5 may pass through zero: joint 4 stays near `near_rad[3]` and joint 5
    changes its sign, so the joints stay continuous along a continuous path.
    """
    shape = _elbow_arm(arm)
    wrist = pose.pos_w - arm.tip_m * pose.rotation_w[:, 2]
    first_three = _reach(shape, wrist)
    fixed = _fixed_rotations(arm)
    first, second, third = turn_about_z(fixed[:3], first_three)
    elbow = compose(compose(first, second), compose(third, fixed[3]))
    rest = compose(elbow.T, pose.rotation_w)
    return jnp.concatenate([first_three, _wrist_angles(rest, near_rad[3:])])


def _reach(shape: _ElbowArm, wrist_w: jax.Array) -> jax.Array:
    """Joints 1 to 3 `[3]` that put the wrist's centre at `wrist_w [3]`."""
    a, b = shape.upper, shape.forearm
    radius = jnp.sqrt(wrist_w[0] ** 2 + wrist_w[1] ** 2 + 1e-12)
    height = wrist_w[2] - shape.shoulder_z
    cosine = (radius**2 + height**2 - a**2 - b**2) / (2 * a * b)
    elbow = -jnp.arccos(jnp.clip(cosine, -1.0, 1.0))
    # angles from straight up, outward positive: the forearm points along shoulder - elbow
    shoulder = jnp.arctan2(radius, height) + jnp.arctan2(b * jnp.sin(elbow), a + b * jnp.cos(elbow))
    return jnp.stack([jnp.arctan2(-wrist_w[1], -wrist_w[0]), shoulder, elbow])


def _wrist_angles(rest: jax.Array, near_rad: jax.Array) -> jax.Array:
    """Angles `[3]` with Rz Ry Rz = `rest [3, 3]`, the first within a quarter turn of `near_rad`."""
    x, y = rest[0, 2], rest[1, 2]
    away = x**2 + y**2 > 1e-8  # else the first and last axes coincide: keep the first
    angle = jnp.arctan2(jnp.where(away, y, 0.0), jnp.where(away, x, 1.0))
    offset = angle - near_rad[0]
    offset = offset - jnp.pi * jnp.round(offset / jnp.pi)
    first = near_rad[0] + jnp.where(away, offset, 0.0)
    cos, sin = jnp.cos(first), jnp.sin(first)
    second = jnp.arctan2(x * cos + y * sin, rest[2, 2])
    third = jnp.arctan2(cos * rest[1, 0] - sin * rest[0, 0], cos * rest[1, 1] - sin * rest[0, 1])
    third = near_rad[2] + _wrap(third - near_rad[2])
    return jnp.stack([first, second, third])


def _wrap(angle: jax.Array) -> jax.Array:
    """`angle` plus the whole turns that bring it nearest to zero."""
    return angle - 2 * jnp.pi * jnp.round(angle / (2 * jnp.pi))


def _fixed_rotations(arm: ArmSpec) -> np.ndarray:
    """Each joint's frame in its parent's `[J, 3, 3]`, at zero."""
    return quat_to_matrix(np.array(arm.rotations_wxyz, np.float32))


def _elbow_arm(arm: ArmSpec) -> _ElbowArm:
    """Lengths of the elbow arm.

    Raises:
      ValueError: the arm is of another build, for which the closed form is wrong.
    """
    offsets = np.array(arm.offsets_m)
    quats = np.array(arm.rotations_wxyz)
    expected = np.array(
        [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1], [1, -1, 0, 0], [1, 1, 0, 0]]
    )
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    same = np.allclose(np.abs(np.sum(quats * expected, axis=1)), 1.0, atol=1e-4)
    only = np.zeros((6, 3), bool)
    only[0, 2] = only[2, 1] = only[4, 2] = True
    if not same or np.any(offsets[~only] != 0):
        raise ValueError("closed-form inverse kinematics needs an elbow arm with a spherical wrist")
    return _ElbowArm(arm.base_pos_w[2] + offsets[0, 2], offsets[2, 1], offsets[4, 2])
