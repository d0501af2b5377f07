"""What tasks on screws show alike, of one environment, and the table of where each number stands."""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.config import ScrewsConfig
from screwpush_jax.tasks.screws.geometry import quat_x_axis
from screwpush_jax.tasks.screws.kinematics import TipPose
from screwpush_sim.state import SimState

UNITS = {
    "tip_pos_c": "m, from the centre of the work area, world axes",
    "tip_command_offset": "m, commanded minus measured tip, world axes",
    "rod_axis_w": "unit vector",
    "joint_pos": "rad",
    "joint_vel": "rad/s",
    "screw_pos_tip": "m, from the tip, world axes, per screw",
    "screw_axis_w": "unit vector along the shank, per screw",
    "screw_linvel_w": "m/s, per screw",
    "screw_angvel_w": "rad/s, per screw",
    "prev_action": "1, clipped",
    "remaining_time": "1, part of the horizon left",
}


def arm_sizes(num_joints: int) -> dict[str, int]:
    """Sizes of `arm_values`, in their order."""
    return {
        "tip_pos_c": 3,
        "tip_command_offset": 3,
        "rod_axis_w": 3,
        "joint_pos": num_joints,
        "joint_vel": num_joints,
    }


def arm_values(
    config: ScrewsConfig, state: SimState, tip: TipPose, command: TipPose
) -> dict[str, jax.Array]:
    """Where the arm is, and where it was told to be."""
    return {
        "tip_pos_c": tip.pos_w - jnp.array([*config.area_center_m, 0.0]),
        "tip_command_offset": command.pos_w - tip.pos_w,
        "rod_axis_w": tip.rotation_w[:, 2],
        "joint_pos": state.robot.joint_pos,
        "joint_vel": state.robot.joint_vel,
    }


def screw_values(state: SimState, tip: TipPose, order: jax.Array) -> dict[str, jax.Array]:
    """Each screw in the order `[S]`, `[S, 3]` each: from the tip, its direction, how it moves."""
    screws = state.bodies["screws"]
    return {
        "screw_pos_tip": screws.pos_w[order] - tip.pos_w[None],
        "screw_axis_w": quat_x_axis(screws.quat_w[order]),
        "screw_linvel_w": screws.linvel_w[order],
        "screw_angvel_w": screws.angvel_w[order],
    }
