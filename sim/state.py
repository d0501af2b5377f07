"""The state of N scenes as the contract shows it, in the world frame (z up).

N environments, J joints of the robot, B bodies of a group. Quaternions are wxyz.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_sim.scene import Scene


@struct.dataclass
class RobotState:
    """Joints in the order of the scene's; the base only where it is free."""

    joint_pos: jax.Array  # [N, J] rad
    joint_vel: jax.Array  # [N, J] rad/s
    base_pos_w: jax.Array | None = None  # [N, 3] m, of the base link's origin
    base_quat_w: jax.Array | None = None  # [N, 4]
    base_linvel_w: jax.Array | None = None  # [N, 3] m/s, of the base link's origin
    base_angvel_w: jax.Array | None = None  # [N, 3] rad/s, world axes


@struct.dataclass
class Bodies:
    """One group of free bodies."""

    pos_w: jax.Array  # [N, B, 3] m, body origin
    quat_w: jax.Array  # [N, B, 4]
    linvel_w: jax.Array  # [N, B, 3] m/s, of the body origin
    angvel_w: jax.Array  # [N, B, 3] rad/s, world axes


@struct.dataclass
class SimState:
    """State of the scenes."""

    robot: RobotState
    bodies: dict[str, Bodies]  # by the names of the scene's groups
    contact: dict[str, jax.Array]
    """By the scene's contact links: `[N, 3]` N, world axes, the sum of what touches the link exerts on
    it, in the last physics step."""

    def with_robot(self, **changes: Any) -> "SimState":
        """Another state with these fields of `robot`."""
        return dataclasses.replace(self, robot=dataclasses.replace(self.robot, **changes))

    def with_bodies(self, group: str, **changes: Any) -> "SimState":
        """Another state with these fields of one group."""
        changed = dataclasses.replace(self.bodies[group], **changes)
        return dataclasses.replace(self, bodies=self.bodies | {group: changed})


def zero_state(scene: Scene, num_envs: int) -> SimState:
    """Robot and bodies level and still where the scene puts them, joints at zero; float32.

    The one place that knows the shapes: `jax.eval_shape` of it gives them without the numbers.
    """
    robot = RobotState(*[jnp.zeros((num_envs, len(scene.robot.joints)))] * 2)
    if scene.robot.base == "free":
        robot = dataclasses.replace(
            robot,
            base_pos_w=_tile(scene.robot.links[0].offset_m, num_envs),
            base_quat_w=_tile((1.0, 0.0, 0.0, 0.0), num_envs),
            base_linvel_w=jnp.zeros((num_envs, 3)),
            base_angvel_w=jnp.zeros((num_envs, 3)),
        )
    return SimState(
        robot=robot,
        bodies={
            group.name: Bodies(
                pos_w=_tile(group.start_pos_w, num_envs),
                quat_w=_tile(((1.0, 0.0, 0.0, 0.0),) * group.count, num_envs),
                linvel_w=jnp.zeros((num_envs, group.count, 3)),
                angvel_w=jnp.zeros((num_envs, group.count, 3)),
            )
            for group in scene.groups
        },
        contact={link: jnp.zeros((num_envs, 3)) for link in scene.contact_links},
    )


def home_state(scene: Scene, num_envs: int) -> SimState:
    """`zero_state` with the joints at home: where every engine begins."""
    return zero_state(scene, num_envs).with_robot(joint_pos=_tile(scene.robot.home_rad, num_envs))


def _tile(value: tuple, num_envs: int) -> jax.Array:
    array = jnp.array(value, jnp.float32)
    return jnp.broadcast_to(array, (num_envs, *array.shape))
