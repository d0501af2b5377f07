"""How the torso stands and which way it looks, of one environment.

The heading frame is the world's, turned about z to where the torso looks: its x axis is the torso's
in the plane. Yaw and roll are of the turns about z, then y, then x that make the torso's orientation.
The target is `TARGET_M` ahead of where episodes begin.
"""

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.tasks.parts import quat_to_matrix
from screwpush_sim.state import RobotState

TARGET_M = 1000.0
"""World x; its y is 0."""


@struct.dataclass
class Posture:
    """Of one environment; with a leading axis N of all."""

    up: jax.Array  # [3] the world's up along the torso's axes; the last is the upright projection
    yaw: jax.Array  # [] rad
    roll: jax.Array  # [] rad
    to_target: jax.Array  # [] rad, from the heading to the target, within -pi and pi
    heading: jax.Array  # [] where the torso looks, along the way to the target: cosine
    linvel_h: jax.Array  # [3] m/s, heading frame
    angvel_h: jax.Array  # [3] rad/s, heading frame
    nearness_m: jax.Array  # [] how much nearer the target is than from the origin


def find_posture(robot: RobotState) -> Posture:
    """The posture of a robot with a free base."""
    assert robot.base_pos_w is not None
    assert robot.base_quat_w is not None
    assert robot.base_linvel_w is not None
    assert robot.base_angvel_w is not None
    turned = quat_to_matrix(robot.base_quat_w)
    yaw = jnp.arctan2(turned[1, 0], turned[0, 0])
    x, y = robot.base_pos_w[0], robot.base_pos_w[1]
    bearing = jnp.arctan2(-y, TARGET_M - x)
    return Posture(
        up=turned[2],
        yaw=yaw,
        roll=jnp.arctan2(turned[2, 1], turned[2, 2]),
        to_target=_wrapped(bearing - yaw),
        heading=turned[0, 0] * jnp.cos(bearing) + turned[1, 0] * jnp.sin(bearing),
        linvel_h=turned_about_z(robot.base_linvel_w, -yaw),
        angvel_h=turned_about_z(robot.base_angvel_w, -yaw),
        nearness_m=_nearness_m(x, y),
    )


def turned_about_z(vector: jax.Array, angle: jax.Array) -> jax.Array:
    """`vector [3]` turned about z by `angle []` (rad)."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    x, y = vector[0], vector[1]
    return jnp.stack([cos * x - sin * y, sin * x + cos * y, vector[2]])


def _wrapped(angle: jax.Array) -> jax.Array:
    """The same angle within -pi and pi."""
    return jnp.arctan2(jnp.sin(angle), jnp.cos(angle))


def _nearness_m(x: jax.Array, y: jax.Array) -> jax.Array:
    """`TARGET_M` less the distance to the target.

    The difference of two numbers near 1,000 would be good to 6e-5 m in float32, which is an error of
    4 mm/s in the speed over a control step; this form is good to what x is.
    """
    ahead = TARGET_M - x
    aside = y * y / (jnp.sqrt(ahead * ahead + y * y) + jnp.abs(ahead) + 1e-6)
    return x - aside - jnp.where(ahead < 0, -2.0 * ahead, 0.0)
