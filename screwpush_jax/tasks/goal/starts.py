"""Which settled states `goal` begins from, beside what any task on these screws asks."""

import numpy as np

from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.geometry import MARKED
from screwpush_sim.state import SimState


def rules(config: GoalConfig, state: SimState) -> dict[str, np.ndarray]:
    """Where a settled state (host arrays `[N, ...]`) keeps the rule, `[N]` bool, by its field."""
    marked = np.asarray(state.bodies["screws"].pos_w)[:, MARKED, :2]
    distance = np.linalg.norm(marked - np.array(config.goal_pos_m), axis=-1)
    return {"start_distance_m": distance > config.start_distance_m}
