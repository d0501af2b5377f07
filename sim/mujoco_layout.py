"""MuJoCo's layout of a scene, shared by both engines of that family.

`qpos` holds the joints, then each screw's position and quaternion (wxyz); `qvel` the joints, then
each screw's linear velocity in the world frame and its angular velocity in the body's.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from sim.protocol import SimState, Views
from sim.scene import Scene


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the state of a scene lies in `qpos` and `qvel`."""

    num_joints: int

    @property
    def joints_pos(self) -> slice:
        """Columns of the joints in `qpos`."""
        return slice(self.num_joints)

    def unpack(self, views: Views) -> SimState:
        """`qpos [N, J + 7 S]` and `qvel [N, J + 6 S]` in the contract's frames. Pure."""
        qpos, qvel = views["qpos"], views["qvel"]
        pose = qpos[..., self.num_joints :].reshape(*qpos.shape[:-1], -1, 7)
        velocity = qvel[..., self.num_joints :].reshape(*qvel.shape[:-1], -1, 6)
        quat = pose[..., 3:]
        return SimState(
            joint_pos_rad=qpos[..., : self.num_joints],
            joint_vel=qvel[..., : self.num_joints],
            screw_pos_w=pose[..., :3],
            screw_quat_w=quat,
            screw_linvel_w=velocity[..., :3],
            screw_angvel_w=_rotate(quat, velocity[..., 3:]),
        )

    def pack(self, state: SimState) -> Views:
        """The inverse of `unpack`. Pure."""
        quat = state.screw_quat_w
        conjugate = jnp.concatenate([quat[..., :1], -quat[..., 1:]], axis=-1)
        angvel_b = _rotate(conjugate, state.screw_angvel_w)
        pose = jnp.concatenate([state.screw_pos_w, state.screw_quat_w], axis=-1)
        velocity = jnp.concatenate([state.screw_linvel_w, angvel_b], axis=-1)
        batch = state.joint_pos_rad.shape[:-1]
        return {
            "qpos": jnp.concatenate([state.joint_pos_rad, pose.reshape(*batch, -1)], axis=-1),
            "qvel": jnp.concatenate([state.joint_vel, velocity.reshape(*batch, -1)], axis=-1),
        }


@functools.cache
def _layout(num_joints: int) -> Layout:
    return Layout(num_joints)


def make_layout(scene: Scene) -> Layout:
    """The layout of `scene`: one object, and so equal methods, for all scenes that share it. What was
    compiled with them for one simulator serves the next."""
    return _layout(len(scene.robot.joints))


def _rotate(quat: jax.Array, vector: jax.Array) -> jax.Array:
    """Turns `vector [..., 3]` by the unit quaternion `quat [..., 4]` (wxyz)."""
    w, xyz = quat[..., :1], quat[..., 1:]
    twice = 2.0 * jnp.cross(xyz, vector)
    return vector + w * twice + jnp.cross(xyz, twice)
