"""How an episode ends: named booleans of one environment's state."""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.config import ScrewsConfig
from screwpush_jax.tasks.screws.geometry import safe_norm
from screwpush_jax.tasks.screws.parking import present
from screwpush_sim.state import SimState

_MAX_SPIN_RAD_S = 1e4
"""A bolt that rolls at 20 m/s on its shank turns at 3,300 rad/s."""
_MAX_JOINT_RAD = 100.0
"""Joints have ranges of about half a turn to either side."""
_QUAT_SLACK = 0.5
"""How far the squared length of an orientation may be from 1."""


def is_settled(config: ScrewsConfig, state: SimState) -> jax.Array:
    """Every screw lies on the table, in the area, at rest, `[]`."""
    rests = jnp.all(is_low(config, state)) & jnp.all(is_still(config, state))
    return rests & ~is_out(config, state)


def is_low(config: ScrewsConfig, state: SimState) -> jax.Array:
    """Which screws are as low as one on the table, `[S]`."""
    return state.bodies["screws"].pos_w[:, 2] < config.max_height_m


def is_still(config: ScrewsConfig, state: SimState) -> jax.Array:
    """Which screws are at rest, `[S]`."""
    return safe_norm(state.bodies["screws"].linvel_w) < config.rest_speed_m_s


def is_out(config: ScrewsConfig, state: SimState) -> jax.Array:
    """A screw left the work area or fell, `[]`; parked ones were never in it."""
    pos = state.bodies["screws"].pos_w
    offset = jnp.abs(pos[:, :2] - jnp.array([config.area_center_m]))
    outside = jnp.any((offset > config.area_half_m) & present(config, pos)[:, None])
    return outside | jnp.any(state.bodies["screws"].pos_w[:, 2] < config.fall_height_m)


def is_invalid(config: ScrewsConfig, state: SimState) -> jax.Array:
    """The physics blew up, `[]`: a value is not finite or beyond what any sound scene shows.

    A screw is absurdly fast, farther away than it could come in a second, or has no orientation; or
    something turns as nothing real does. So whatever is valid gives finite, bounded observations.
    """
    center = jnp.array([[*config.area_center_m, 0.0]])
    screws, robot = state.bodies["screws"], state.robot
    norm = jnp.sum(screws.quat_w**2, axis=-1)
    # written so that NaN is invalid, too
    valid = [
        safe_norm(screws.linvel_w) <= config.max_speed_m_s,
        (safe_norm(screws.pos_w - center) <= config.max_speed_m_s * 1.0)  # in one second
        | ~present(config, screws.pos_w),
        jnp.abs(norm - 1.0) <= _QUAT_SLACK,
        jnp.abs(screws.angvel_w) <= _MAX_SPIN_RAD_S,
        jnp.abs(robot.joint_pos) <= _MAX_JOINT_RAD,
        jnp.abs(robot.joint_vel) <= _MAX_SPIN_RAD_S,
    ]
    return ~jnp.all(jnp.stack([jnp.all(part) for part in valid]))
