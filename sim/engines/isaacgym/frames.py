"""Isaac Gym's layout of a scene in the contract's terms.

Rows of `root` are position, quaternion xyzw, velocity of the *centre of mass* and angular velocity,
along world axes; the robot's base comes first, then the bodies group by group. `dof` holds pairs of
position and velocity.
"""

import functools

import jax
import jax.numpy as jnp

from screwpush_sim.builders.solids import center_of
from screwpush_sim.protocol import Views
from screwpush_sim.scene import Scene, Vec3
from screwpush_sim.state import Bodies, RobotState, SimState

_AT_REST = (0.0, 0.0, 0.0, 1.0, *[0.0] * 6)  # no turn, no velocity


class Frames:
    """Where the state of a scene lies; made by `make_frames`."""

    def __init__(
        self,
        base_pos_w: Vec3,
        base_com: Vec3 | None,
        groups: tuple[tuple[str, int, Vec3], ...],
        contact_links: tuple[str, ...],
    ):
        self._base_pos_w, self._base_com = base_pos_w, base_com
        self._groups, self._contact_links = groups, contact_links

    def unpack(self, views: Views) -> SimState:
        """`root [N, 1 + B, 13]` and `dof [N, J, 2]` in the contract's frames. Pure."""
        root, dof = views["root"], views["dof"]
        robot = RobotState(dof[..., 0], dof[..., 1])
        if self._base_com is not None:
            robot = RobotState(
                dof[..., 0], dof[..., 1], *_to_origin(root[..., 0, :], self._base_com)
            )
        bodies, begin = {}, 1
        for name, count, com in self._groups:
            bodies[name] = Bodies(*_to_origin(root[..., begin : begin + count, :], com))
            begin += count
        contact = {
            link: views["contact"][..., index, :] for index, link in enumerate(self._contact_links)
        }
        return SimState(robot, bodies, contact)

    def pack(self, state: SimState) -> Views:
        """The inverse of `unpack`; a fixed base stands where it always does. Pure."""
        robot = state.robot
        if self._base_com is None:
            base = jnp.array([*self._base_pos_w, *_AT_REST], robot.joint_pos.dtype)
            base = jnp.broadcast_to(base, (*robot.joint_pos.shape[:-1], len(base)))
        else:
            pose = robot.base_pos_w, robot.base_quat_w, robot.base_linvel_w, robot.base_angvel_w
            base = _to_com(*pose, self._base_com)
        rows = [base[..., None, :]]
        for name, _, com in self._groups:
            group = state.bodies[name]
            pose = group.pos_w, group.quat_w, group.linvel_w, group.angvel_w
            rows.append(_to_com(*pose, com))
        views = {
            "root": jnp.concatenate(rows, axis=-2),
            "dof": jnp.stack([robot.joint_pos, robot.joint_vel], axis=-1),
        }
        if self._contact_links:
            forces = [state.contact[link] for link in self._contact_links]
            views["contact"] = jnp.stack(forces, axis=-2)
        return views


@functools.cache
def _frames(*parts) -> Frames:
    return Frames(*parts)


def make_frames(scene: Scene) -> Frames:
    """The frames of `scene`: one object, and so equal methods, for all scenes that share them."""
    base = scene.robot.links[0]
    free = scene.robot.base == "free"
    groups = tuple((group.name, group.count, center_of(group)) for group in scene.groups)
    return _frames(base.offset_m, center_of(base) if free else None, groups, scene.contact_links)


def _to_origin(root: jax.Array, com: Vec3) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Position, quaternion wxyz, velocity of the origin and angular velocity of rows of `root`."""
    quat, angvel = root[..., 3:7][..., [3, 0, 1, 2]], root[..., 10:13]
    linvel = root[..., 7:10] - jnp.cross(angvel, _rotate(quat, com))
    return root[..., 0:3], quat, linvel, angvel


def _to_com(pos, quat, linvel, angvel, com: Vec3) -> jax.Array:
    """The inverse of `_to_origin`."""
    linvel = linvel + jnp.cross(angvel, _rotate(quat, com))
    return jnp.concatenate([pos, quat[..., [1, 2, 3, 0]], linvel, angvel], axis=-1)


def _rotate(quat: jax.Array, vector: Vec3) -> jax.Array:
    """`vector` turned by the unit quaternions `quat [..., 4]` (wxyz)."""
    w, xyz = quat[..., :1], quat[..., 1:]
    arm = jnp.broadcast_to(jnp.array(vector, xyz.dtype), xyz.shape)
    twice = 2.0 * jnp.cross(xyz, arm)
    return arm + w * twice + jnp.cross(xyz, twice)
