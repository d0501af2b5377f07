"""What the policy sees, and the table that says where each number stands."""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.humanoid.config import HumanoidConfig
from screwpush_jax.tasks.humanoid.joints import NUM_JOINTS, scaled_joints
from screwpush_jax.tasks.humanoid.posture import Posture, turned_about_z
from screwpush_jax.tasks.humanoid.reward import VEL_SCALE
from screwpush_jax.tasks.parts import Field, in_layout, make_layout
from screwpush_sim.assets.humanoid import FEET
from screwpush_sim.state import SimState

_ANGVEL_SCALE = 0.25
_FORCE_SCALE = 0.01
_UNITS = {
    "torso_height": "m, of the torso's origin",
    "torso_linvel_h": "m/s, heading frame (the world's, turned about z to where the torso looks)",
    "torso_angvel_h": "rad/s x 0.25, heading frame",
    "torso_yaw": "rad",
    "torso_roll": "rad",
    "angle_to_target": "rad, from the heading",
    "up": "1, world's up along the torso's axes; the last is the upright projection",
    "heading": "1, torso's x axis along the way to the target",
    "joint_pos": "1, -1 at the lower limit and 1 at the upper",
    "joint_vel": "rad/s x 0.1",
    "prev_action": "1, clipped",
    "foot_force_h": "N x 0.01, ground on foot, heading frame, left foot first",
}


def layout(config: HumanoidConfig) -> tuple[Field, ...]:
    """The table of the observation."""
    sizes = {"torso_height": 1, "torso_linvel_h": 3, "torso_angvel_h": 3}
    sizes |= {"torso_yaw": 1, "torso_roll": 1, "angle_to_target": 1, "up": 3, "heading": 1}
    sizes |= dict.fromkeys(("joint_pos", "joint_vel", "prev_action"), NUM_JOINTS)
    if config.foot_contacts:
        sizes["foot_force_h"] = 3 * len(FEET)
    return make_layout(sizes, _UNITS)


def observe(
    config: HumanoidConfig, state: SimState, posture: Posture, prev_action: jax.Array
) -> jax.Array:
    """Observation `[O]` in the layout, of one environment."""
    robot = state.robot
    assert robot.base_pos_w is not None
    forces = [turned_about_z(state.contact[foot], -posture.yaw) for foot in FEET]
    values = {
        "torso_height": robot.base_pos_w[2],
        "torso_linvel_h": posture.linvel_h,
        "torso_angvel_h": _ANGVEL_SCALE * posture.angvel_h,
        "torso_yaw": posture.yaw,
        "torso_roll": posture.roll,
        "angle_to_target": posture.to_target,
        "up": posture.up,
        "heading": posture.heading,
        "joint_pos": scaled_joints(robot.joint_pos),
        "joint_vel": VEL_SCALE * robot.joint_vel,
        "prev_action": prev_action,
        "foot_force_h": _FORCE_SCALE * jnp.stack(forces),
    }
    return in_layout(layout(config), values)
