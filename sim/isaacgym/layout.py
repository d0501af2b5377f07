"""Isaac Gym's layout of a scene in the contract's terms.

Rows of `root` are position, quaternion xyzw, velocity of the *centre of mass* and angular velocity,
along world axes; the arm's row comes first. `dof` holds pairs of position and velocity.
"""

import jax
import jax.numpy as jnp

from sim.assets import elfin15
from sim.protocol import SimState, Views


def unpack(views: Views, com_x_m: float) -> SimState:
    """`root [N, 1 + S, 13]` and `dof [N, J, 2]` in the contract's frames. Pure."""
    root, dof = views["root"][..., 1:, :], views["dof"]
    quat, angvel = root[..., 3:7], root[..., 10:13]
    lever = _shank_axis(quat) * com_x_m
    return SimState(
        joint_pos_rad=dof[..., 0],
        joint_vel=dof[..., 1],
        screw_pos_w=root[..., 0:3],
        screw_quat_w=quat[..., [3, 0, 1, 2]],
        screw_linvel_w=root[..., 7:10] - jnp.cross(angvel, lever),
        screw_angvel_w=angvel,
    )


def pack(state: SimState, com_x_m: float) -> Views:
    """The inverse of `unpack`; the arm stands where it always does. Pure."""
    quat = state.screw_quat_w[..., [1, 2, 3, 0]]
    lever = _shank_axis(quat) * com_x_m
    linvel = state.screw_linvel_w + jnp.cross(state.screw_angvel_w, lever)
    screws = jnp.concatenate([state.screw_pos_w, quat, linvel, state.screw_angvel_w], axis=-1)
    arm = jnp.array([*elfin15.BASE_POS_W, 0.0, 0.0, 0.0, 1.0, *[0.0] * 6], screws.dtype)
    arms = jnp.broadcast_to(arm, (*screws.shape[:-2], 1, arm.shape[0]))
    return {
        "root": jnp.concatenate([arms, screws], axis=-2),
        "dof": jnp.stack([state.joint_pos_rad, state.joint_vel], axis=-1),
    }


def _shank_axis(quat_xyzw: jax.Array) -> jax.Array:
    """The body's x axis `[..., 3]` in the world."""
    x, y, z, w = (quat_xyzw[..., i] for i in range(4))
    return jnp.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=-1)
