"""MuJoCo's layout of a scene, shared by both engines of that family.

`qpos` holds a free base's position and quaternion (wxyz), the joints, then each body's position and
quaternion, group by group. `qvel` holds the base's linear velocity in the world frame and its angular
velocity in its own, the joints, then the same two of each body. `contact` (only where links are
declared) holds the net force that each link exerts on what touches it, world axes.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from screwpush_sim.protocol import Views
from screwpush_sim.scene import Scene
from screwpush_sim.state import Bodies, RobotState, SimState


class Columns(NamedTuple):
    """Slices of `qpos` and of `qvel`."""

    qpos: slice
    qvel: slice


class Layout:
    """Where the state of a scene lies; made by `make_layout`."""

    def __init__(
        self,
        num_joints: int,
        free_base: bool,
        groups: tuple[tuple[str, int], ...],
        contact_links: tuple[str, ...],
    ):
        base = int(free_base)
        self.base = Columns(slice(0, 7), slice(0, 6)) if free_base else None
        self.joints = Columns(*(slice(size, size + num_joints) for size in (7 * base, 6 * base)))
        self.groups: dict[str, tuple[Columns, int]] = {}
        self.contact_links = contact_links
        q, v = self.joints.qpos.stop, self.joints.qvel.stop
        for name, count in groups:
            columns = Columns(slice(q, q + 7 * count), slice(v, v + 6 * count))
            self.groups[name] = columns, count
            q, v = columns.qpos.stop, columns.qvel.stop

    def unpack(self, views: Views) -> SimState:
        """`qpos [N, Q]` and `qvel [N, V]` in the contract's frames. Pure."""
        qpos, qvel = views["qpos"], views["qvel"]
        joints = self.joints
        robot = RobotState(qpos[..., joints.qpos], qvel[..., joints.qvel])
        if self.base is not None:
            pose, velocity = qpos[..., self.base.qpos], qvel[..., self.base.qvel]
            robot = RobotState(robot.joint_pos, robot.joint_vel, *_to_world(pose, velocity))
        bodies = {}
        for name, (columns, count) in self.groups.items():
            batch = qpos.shape[:-1]
            pose = qpos[..., columns.qpos].reshape(*batch, count, 7)
            velocity = qvel[..., columns.qvel].reshape(*batch, count, 6)
            bodies[name] = Bodies(*_to_world(pose, velocity))
        contact = {}
        for index, link in enumerate(self.contact_links):
            contact[link] = -views["contact"][..., 3 * index : 3 * index + 3]
        return SimState(robot, bodies, contact)

    def pack(self, state: SimState) -> Views:
        """The inverse of `unpack`. Pure."""
        robot, parts = state.robot, []
        if self.base is not None:
            base = (robot.base_pos_w, robot.base_quat_w, robot.base_linvel_w, robot.base_angvel_w)
            parts.append(_from_world(*base))
        parts.append((robot.joint_pos, robot.joint_vel))
        for name in self.groups:
            group = state.bodies[name]
            both = _from_world(group.pos_w, group.quat_w, group.linvel_w, group.angvel_w)
            batch = group.pos_w.shape[:-2]
            parts.append(tuple(part.reshape(*batch, -1) for part in both))
        qpos, qvel = (jnp.concatenate(rows, axis=-1) for rows in zip(*parts, strict=True))
        views = {"qpos": qpos, "qvel": qvel}
        if self.contact_links:
            forces = [-state.contact[link] for link in self.contact_links]
            views["contact"] = jnp.concatenate(forces, axis=-1)
        return views


@functools.cache
def _layout(*parts) -> Layout:
    return Layout(*parts)


def make_layout(scene: Scene) -> Layout:
    """The layout of `scene`: one object, and so equal methods, for all scenes that share it. What was
    compiled with them for one simulator serves the next."""
    groups = tuple((group.name, group.count) for group in scene.groups)
    free_base = scene.robot.base == "free"
    return _layout(len(scene.robot.joints), free_base, groups, scene.contact_links)


def _to_world(
    pose: jax.Array, velocity: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Position, quaternion, linear and angular velocity of bodies, all in the world frame."""
    quat = pose[..., 3:]
    return pose[..., :3], quat, velocity[..., :3], _rotate(quat, velocity[..., 3:])


def _from_world(pos, quat, linvel, angvel) -> tuple[jax.Array, jax.Array]:
    """The inverse of `_to_world`."""
    conjugate = jnp.concatenate([quat[..., :1], -quat[..., 1:]], axis=-1)
    pose = jnp.concatenate([pos, quat], axis=-1)
    return pose, jnp.concatenate([linvel, _rotate(conjugate, angvel)], axis=-1)


def _rotate(quat: jax.Array, vector: jax.Array) -> jax.Array:
    """Turns `vector [..., 3]` by the unit quaternion `quat [..., 4]` (wxyz)."""
    w, xyz = quat[..., :1], quat[..., 1:]
    twice = 2.0 * jnp.cross(xyz, vector)
    return vector + w * twice + jnp.cross(xyz, twice)
