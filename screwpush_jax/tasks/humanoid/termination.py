"""How an episode ends: named booleans of one environment's state."""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.humanoid.config import HumanoidConfig
from screwpush_sim.state import SimState

_MAX_RAD_S = 1e3
"""No drive gets a limb beyond 100 rad/s."""
_MAX_JOINT_RAD = 10.0
"""Ranges end below 3 rad."""
_MAX_PLACE_M = 2000.0
"""The target is 1,000 m away, and no episode gets there."""
_MAX_FORCE_N = 1e6
_QUAT_SLACK = 0.5
"""How far the squared length of an orientation may be from 1."""


def is_fallen(config: HumanoidConfig, state: SimState) -> jax.Array:
    """The torso is too low, `[]`."""
    assert state.robot.base_pos_w is not None
    return state.robot.base_pos_w[2] < config.min_height_m


def is_invalid(config: HumanoidConfig, state: SimState) -> jax.Array:
    """The physics blew up, `[]`: a value is not finite or beyond what any sound scene shows."""
    robot = state.robot
    assert robot.base_pos_w is not None
    assert robot.base_quat_w is not None
    assert robot.base_linvel_w is not None
    assert robot.base_angvel_w is not None
    # written so that NaN is invalid, too
    valid = [
        jnp.sum(robot.base_linvel_w**2) <= config.max_speed_m_s**2,
        jnp.abs(robot.base_pos_w) <= _MAX_PLACE_M,
        jnp.abs(jnp.sum(robot.base_quat_w**2) - 1.0) <= _QUAT_SLACK,
        jnp.abs(robot.base_angvel_w) <= _MAX_RAD_S,
        jnp.abs(robot.joint_pos) <= _MAX_JOINT_RAD,
        jnp.abs(robot.joint_vel) <= _MAX_RAD_S,
        *(jnp.abs(force) <= _MAX_FORCE_N for force in state.contact.values()),
    ]
    return ~jnp.all(jnp.stack([jnp.all(part) for part in valid]))
