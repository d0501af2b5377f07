"""From an action to joint targets: a step of the commanded tip pose, then inverse kinematics."""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.geometry import limit_tilt, rotation_about
from screwpush_jax.tasks.kinematics import TipPose, inverse_kinematics
from screwpush_jax.tasks.separate.config import AXES, SeparateConfig
from sim.protocol import ArmSpec


def clip_action(action: jax.Array) -> jax.Array:
    """`action [A]` within [-1, 1]; what is not a number asks for nothing."""
    return jnp.clip(jnp.nan_to_num(action, nan=0.0), -1.0, 1.0)


def move_command(
    config: SeparateConfig,
    arm: ArmSpec,
    control_dt_s: float,
    command: TipPose,
    joint_targets: jax.Array,
    action: jax.Array,
) -> jax.Array:
    """Next joint targets `[J]` after the clipped `action [A]` on the commanded pose.

    `command` is the forward kinematics of `joint_targets`: what was really commanded, after every
    limit, so that a limit never winds up and the measured pose never leaks in.
    """
    axes = jnp.array([AXES.index(axis) for axis in config.active_axes])
    step = jnp.zeros(len(AXES)).at[axes].set(action)
    center, half = jnp.array(config.area_center_m), config.area_half_m
    low = jnp.append(center - half, config.tip_height_m[0])
    high = jnp.append(center + half, config.tip_height_m[1])
    pos = jnp.clip(command.pos_w + config.position_step_m * step[:3], low, high)
    turned = rotation_about(config.rotation_step_rad * step[3:]) @ command.rotation_w
    wanted = inverse_kinematics(
        arm, TipPose(pos, limit_tilt(turned, config.max_tilt_rad)), joint_targets
    )
    return limit_joints(arm, config.joint_speed_rad_s * control_dt_s, joint_targets, wanted)


def limit_joints(
    arm: ArmSpec, max_step_rad: float, joint_targets: jax.Array, wanted: jax.Array
) -> jax.Array:
    """`wanted [J]` within the joints' ranges, the move from `joint_targets` slowed as a whole."""
    limit = jnp.array(arm.range_rad)
    move = jnp.clip(wanted, -limit, limit) - joint_targets
    fastest = jnp.max(jnp.abs(move))
    return joint_targets + move * jnp.minimum(1.0, max_step_rad / jnp.maximum(fastest, 1e-9))
