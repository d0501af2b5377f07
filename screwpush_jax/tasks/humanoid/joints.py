"""The humanoid's joints as arrays: ranges, torques, scaled positions."""

import jax
import numpy as np

from screwpush_sim.assets.humanoid import make_robot

ROBOT = make_robot()
NUM_JOINTS = len(ROBOT.joints)
LOW_RAD, HIGH_RAD = (
    np.array([joint.range_rad[end] for joint in ROBOT.joints], np.float32) for end in (0, 1)
)
"""`[J]`, each joint's range."""
GEARS_NM = np.array(ROBOT.control_range[1], np.float32)
"""`[J]`, each joint's torque at full action."""


def scaled_joints(joint_pos: jax.Array) -> jax.Array:
    """`joint_pos [..., J]` (rad) in units of the ranges: -1 at the lower limit, 1 at the upper."""
    return (joint_pos - 0.5 * (LOW_RAD + HIGH_RAD)) / (0.5 * (HIGH_RAD - LOW_RAD))
