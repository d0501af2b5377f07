"""From an action to joint targets: a step of the commanded tip pose, then inverse kinematics."""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.optional import ActionAxis
from screwpush_jax.tasks.screws.config import AXES, ScrewsConfig
from screwpush_jax.tasks.screws.geometry import compose, limit_tilt, rotation_about
from screwpush_jax.tasks.screws.kinematics import TipPose, forward_kinematics, inverse_kinematics
from screwpush_sim.assets.elfin15 import ArmSpec

_SLACK_M, _SLACK_RAD = 1e-3, 5e-3
"""A slowed move along the workspace's border follows a chord: it may cut the border by this."""


def action_axes(config: ScrewsConfig) -> tuple[ActionAxis, ...]:
    """What each number of the action does to the commanded tip pose, in the world frame."""
    shift = (
        "m per control step, of the commanded tip, along the world's axis",
        config.position_step_m,
    )
    turn = "rad per control step, of the tool, about the world's axis", config.rotation_step_rad
    return tuple(
        ActionAxis(name, *(shift if name in AXES[:3] else turn)) for name in config.active_axes
    )


def move_command(
    config: ScrewsConfig,
    arm: ArmSpec,
    control_dt_s: float,
    command: TipPose,
    joint_targets: jax.Array,
    action: jax.Array,
) -> jax.Array:
    """Next joint targets `[J]` after the clipped `action [A]` on the commanded pose.

    `command` is the forward kinematics of `joint_targets`: what was really commanded, after every
    limit, so that a limit never winds up and the measured pose never leaks in. The joints' limits
    bend the tip's path: a move that they would bend out of the workspace is not made.
    """
    axes = jnp.array([AXES.index(axis) for axis in config.active_axes])
    step = jnp.zeros(len(AXES)).at[axes].set(action)
    pos = jnp.clip(command.pos_w + config.position_step_m * step[:3], *_workspace(config))
    turned = compose(rotation_about(config.rotation_step_rad * step[3:]), command.rotation_w)
    pose = TipPose(pos, limit_tilt(turned, config.max_tilt_rad))
    wanted = inverse_kinematics(arm, pose, joint_targets)
    moved = limit_joints(arm, config.joint_speed_rad_s * control_dt_s, joint_targets, wanted)
    allowed = _in_workspace(config, forward_kinematics(arm, moved))
    return jnp.where(allowed, moved, joint_targets)


def limit_joints(
    arm: ArmSpec, max_step_rad: float, joint_targets: jax.Array, wanted: jax.Array
) -> jax.Array:
    """`wanted [J]` within the joints' ranges, the move from `joint_targets` slowed as a whole."""
    limit = jnp.array(arm.range_rad)
    move = jnp.clip(wanted, -limit, limit) - joint_targets
    fastest = jnp.max(jnp.abs(move))
    return joint_targets + move * jnp.minimum(1.0, max_step_rad / jnp.maximum(fastest, 1e-9))


def _workspace(config: ScrewsConfig) -> tuple[jax.Array, jax.Array]:
    """Lowest and highest tip position, `[3]` m each."""
    center, half = jnp.array(config.area_center_m), config.area_half_m
    return (
        jnp.append(center - half, config.tip_height_m[0]),
        jnp.append(center + half, config.tip_height_m[1]),
    )


def _in_workspace(config: ScrewsConfig, pose: TipPose) -> jax.Array:
    """Whether `pose` keeps the box and the tilt, but for what a slowed move may cut off."""
    low, high = _workspace(config)
    inside = (pose.pos_w > low - _SLACK_M) & (pose.pos_w < high + _SLACK_M)
    return jnp.all(inside) & (-pose.rotation_w[2, 2] > jnp.cos(config.max_tilt_rad + _SLACK_RAD))
