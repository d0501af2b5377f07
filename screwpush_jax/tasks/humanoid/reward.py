"""Reward of one environment: a dict of raw terms, weighted by `RewardWeights` of the same keys.

The terms of the field's usual humanoid. What needs the approach to the target over the last step takes
it as a difference of potentials, so over an episode it adds up to the way that was made.
"""

import dataclasses
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.humanoid.joints import GEARS_NM, scaled_joints
from screwpush_jax.tasks.humanoid.posture import Posture
from screwpush_sim.state import SimState

if TYPE_CHECKING:  # the configuration holds the weights
    from screwpush_jax.tasks.humanoid.config import HumanoidConfig

VEL_SCALE = 0.1
"""Seconds per radian: what joint velocities count with, in the energy and to the policy."""
_STRENGTH = GEARS_NM / GEARS_NM.max()
"""`[J]` each joint's torque at full action, in units of the strongest one's."""


@dataclasses.dataclass(frozen=True)
class RewardWeights:
    """Weight of each reward term; the keys are the terms'."""

    progress: float = 1.0
    """Speed of the approach to the target, metres per second."""
    alive: float = 2.0
    """Each step at whose end it has not fallen."""
    upright: float = 0.1
    """Each step with the torso upright."""
    heading: float = 0.5
    """How much the torso looks to the target, full beyond a bound."""
    action: float = -0.01
    """Squared action, summed over joints."""
    energy: float = -0.05
    """Product of action and a tenth of the joint's velocity, without its sign, summed over joints by their
    strength."""
    joint_limits: float = -0.25
    """How far each joint is into the end of its range, 0 to 1 and beyond, summed by strength."""
    fall: float = -1.0
    """Once, when it falls."""


def reward_terms(
    config: "HumanoidConfig",
    state: SimState,
    posture: Posture,
    approach_m: jax.Array,
    action: jax.Array,
    fell: jax.Array,
) -> dict[str, jax.Array]:
    """Raw terms `[]` of the step that led to `state` by the clipped `action [A]`.

    `approach_m []` is how much nearer the target came in it.
    """
    speed = VEL_SCALE * jnp.abs(action * state.robot.joint_vel)
    start = config.joint_limit_from
    beyond = (jnp.abs(scaled_joints(state.robot.joint_pos)) - start) / (1.0 - start)
    return {
        "progress": approach_m / config.scene.physics.control_dt_s,
        "alive": 1.0 - fell.astype(jnp.float32),
        "upright": (posture.up[2] > config.upright_from).astype(jnp.float32),
        "heading": jnp.minimum(posture.heading / config.heading_full, 1.0),
        "action": jnp.sum(action**2),
        "energy": jnp.sum(speed * _STRENGTH),
        "joint_limits": jnp.sum(jnp.maximum(beyond, 0.0) * _STRENGTH),
        "fall": fell.astype(jnp.float32),
    }
