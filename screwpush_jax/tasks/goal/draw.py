"""What people are shown of the task: how far the marked screw is from the disc, and the tip from it."""

import numpy as np

from screwpush_jax.tasks.drawing import BAD, GOOD, PLAIN, Drawing, Line
from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.geometry import MARKED


def draw(config: GoalConfig, pos_w: np.ndarray, tip_pos_w: np.ndarray) -> Drawing:
    """A line from the tip `[3]` to the marked one of the screws at `pos_w [S, 3]` (m), and one on to
    the disc's centre in the plane, with their lengths and the disc's radius."""
    marked = pos_w[MARKED]
    goal = np.array([*config.goal_pos_m, marked[2]])
    reach_m, distance_m = (float(np.linalg.norm(marked - end)) for end in (tip_pos_w, goal))
    inside = distance_m <= config.goal_radius_m
    text = f"{100 * distance_m:.1f} / {100 * config.goal_radius_m:g} cm"
    return Drawing(
        (
            Line(tip_pos_w, marked, PLAIN, f"{100 * reach_m:.1f} cm"),
            Line(marked, goal, GOOD if inside else BAD, text),
        )
    )
