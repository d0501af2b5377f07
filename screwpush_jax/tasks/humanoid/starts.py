"""Start states: the standing pose with each joint moved a little, one foot on the ground.

Nothing has to settle: the lowest point touches the ground and no part touches another, by geometry.
"""

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.humanoid.clearance import clearance
from screwpush_jax.tasks.humanoid.config import HumanoidConfig
from screwpush_jax.tasks.humanoid.joints import HIGH_RAD, LOW_RAD, NUM_JOINTS, ROBOT
from screwpush_jax.tasks.task import StartsError
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState, zero_state

_LEAST_RATE = 0.01
_LEAST_DRAWN = 1024


def find_starts(config: HumanoidConfig, scene: Scene, size: int, seed: int) -> SimState:
    """B = `size` start states `[B, ...]`, seeded.

    Raises:
      StartsError: nearly every pose that is drawn touches itself.
    """
    rng = np.random.default_rng(seed)
    poses, heights, tried = [], [], 0
    while (found := sum(map(len, poses))) < size:
        if tried >= _LEAST_DRAWN and found < _LEAST_RATE * tried:
            raise StartsError(
                f"only {found} of {tried} poses have no part that touches another; valid:"
                f" env.start_joint_rad less than {config.start_joint_rad:g}"
            )
        drawn = _draw(config, max(size, _LEAST_DRAWN), rng)
        lowest, gap = clearance(ROBOT, drawn)
        free = gap > 0
        poses.append(drawn[free])
        heights.append(-lowest[free])
        tried += len(drawn)
    speed = config.start_joint_vel_rad_s
    state = jax.tree.map(np.array, zero_state(scene, size))
    state.robot.base_pos_w[:, 2] = np.concatenate(heights)[:size]
    state = state.with_robot(
        joint_pos=np.concatenate(poses)[:size],
        joint_vel=rng.uniform(-speed, speed, (size, NUM_JOINTS)).astype(np.float32),
    )
    return jax.tree.map(jnp.asarray, state)


def _draw(config: HumanoidConfig, count: int, rng: np.random.Generator) -> np.ndarray:
    """Joint positions `[count, J]`, rad."""
    home, most = np.array(ROBOT.home_rad, np.float32), config.start_joint_rad
    drawn = home + rng.uniform(-most, most, (count, NUM_JOINTS)).astype(np.float32)
    return np.clip(drawn, LOW_RAD, HIGH_RAD)
