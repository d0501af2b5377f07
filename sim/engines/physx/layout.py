"""PhysX's layout of a scene in the contract's terms.

Views, float32, leading axis N: `joint_pos` and `joint_vel` `[N, J]` (rad, in PhysX's order of the joints,
which is breadth first), where the base is free `base_pose` `[N, 7]` and `base_velocity` `[N, 6]`, where
there are bodies `body_pose` `[N, B, 7]` and `body_velocity` `[N, B, 6]` (group by group), where links
show their contacts `contact_normal` and `contact_friction` `[N, L, 3]`.

A pose is a position and a quaternion xyzw; a velocity is that of the *centre of mass* and the angular
one; all along world axes. Measured (ovphysx 0.7): joints are in radians although USD speaks degrees; rows
of bodies come in the order of the paths that a binding was made from (a pattern's order is another: clones
list their bodies backward).
"""

import functools

import jax
import jax.numpy as jnp

from screwpush_sim.builders.solids import center_of
from screwpush_sim.protocol import Views
from screwpush_sim.scene import Scene, Vec3
from screwpush_sim.state import Bodies, RobotState, SimState


class Layout:
    """Where the state of a scene lies; made by `make_layout`."""

    def __init__(
        self,
        joint_order: tuple[int, ...],
        base_com: Vec3 | None,
        groups: tuple[tuple[str, int, Vec3], ...],
        contact_links: tuple[str, ...],
    ):
        self._order = list(joint_order)  # of the scene's joints, one for each of PhysX's
        self._place = [joint_order.index(joint) for joint in range(len(joint_order))]
        self._base_com = base_com
        self._groups, self._contact_links = groups, contact_links

    def unpack(self, views: Views) -> SimState:
        """Views in the contract's frames. Pure."""
        joints = (views[name][..., jnp.array(self._place)] for name in ("joint_pos", "joint_vel"))
        robot = RobotState(*joints)
        if self._base_com is not None:
            base = _to_origin(views["base_pose"], views["base_velocity"], self._base_com)
            robot = RobotState(robot.joint_pos, robot.joint_vel, *base)
        bodies, begin = {}, 0
        for name, count, com in self._groups:
            rows = slice(begin, begin + count)
            pose, velocity = views["body_pose"][..., rows, :], views["body_velocity"][..., rows, :]
            bodies[name] = Bodies(*_to_origin(pose, velocity, com))
            begin += count
        contact = {
            link: views["contact_normal"][..., index, :] + views["contact_friction"][..., index, :]
            for index, link in enumerate(self._contact_links)
        }
        return SimState(robot, bodies, contact)

    def pack(self, state: SimState) -> Views:
        """The inverse of `unpack`. Pure."""
        robot, order = state.robot, jnp.array(self._order)
        views = {
            "joint_pos": robot.joint_pos[..., order],
            "joint_vel": robot.joint_vel[..., order],
        }
        if self._base_com is not None:
            base = robot.base_pos_w, robot.base_quat_w, robot.base_linvel_w, robot.base_angvel_w
            views["base_pose"], views["base_velocity"] = _to_com(*base, self._base_com)
        if self._groups:
            rows = []
            for name, _, com in self._groups:
                group = state.bodies[name]
                pose = group.pos_w, group.quat_w, group.linvel_w, group.angvel_w
                rows.append(_to_com(*pose, com))
            both = (jnp.concatenate(parts, axis=-2) for parts in zip(*rows, strict=True))
            views["body_pose"], views["body_velocity"] = both
        if self._contact_links:
            forces = [state.contact[link] for link in self._contact_links]
            views["contact_normal"] = jnp.stack(forces, axis=-2)
            views["contact_friction"] = jnp.zeros_like(views["contact_normal"])
        return views


@functools.cache
def _layout(*parts) -> Layout:
    return Layout(*parts)


def make_layout(scene: Scene, joint_order: tuple[int, ...]) -> Layout:
    """The layout of `scene`: one object, and so equal methods, for all scenes that share it.

    Args:
      joint_order: which of the scene's joints each of PhysX's is `[J]`.
    """
    base = center_of(scene.robot.links[0]) if scene.robot.base == "free" else None
    groups = tuple((group.name, group.count, center_of(group)) for group in scene.groups)
    return _layout(joint_order, base, groups, scene.contact_links)


def _to_origin(pose, velocity, com: Vec3) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Position, quaternion wxyz, velocity of the origin and angular velocity."""
    quat, angvel = pose[..., 3:7][..., [3, 0, 1, 2]], velocity[..., 3:6]
    linvel = velocity[..., 0:3] - jnp.cross(angvel, _rotate(quat, com))
    return pose[..., 0:3], quat, linvel, angvel


def _to_com(pos, quat, linvel, angvel, com: Vec3) -> tuple[jax.Array, jax.Array]:
    """The inverse of `_to_origin`."""
    linvel = linvel + jnp.cross(angvel, _rotate(quat, com))
    pose = jnp.concatenate([pos, quat[..., [1, 2, 3, 0]]], axis=-1)
    return pose, jnp.concatenate([linvel, angvel], axis=-1)


def _rotate(quat: jax.Array, vector: Vec3) -> jax.Array:
    """`vector` turned by the unit quaternions `quat [..., 4]` (wxyz)."""
    w, xyz = quat[..., :1], quat[..., 1:]
    arm = jnp.broadcast_to(jnp.array(vector, xyz.dtype), xyz.shape)
    twice = 2.0 * jnp.cross(xyz, arm)
    return arm + w * twice + jnp.cross(xyz, twice)
