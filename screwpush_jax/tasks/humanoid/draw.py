"""What people are shown of the task: where the torso goes, how fast, and how far it came."""

import numpy as np

from screwpush_jax.tasks.drawing import BAD, GOOD, Drawing, Label, Line
from screwpush_jax.tasks.humanoid.config import HumanoidConfig

_AHEAD_S, _ABOVE_M = 0.25, 0.5


def draw(
    config: HumanoidConfig, pos_w: np.ndarray, linvel_w: np.ndarray, nearness_m: np.ndarray
) -> Drawing:
    """A line from the torso at `pos_w [3]` (m) to where it would be in a quarter of a second, with its speed in
    the plane, and above it how much nearer the target is than from the origin, `nearness_m []`."""
    level = linvel_w * np.array([1, 1, 0])
    speed = float(np.linalg.norm(level))
    color = GOOD if speed >= config.success_speed_m_s else BAD
    text = f"{speed:.1f} / {config.success_speed_m_s:g} m/s"
    label = Label(pos_w + np.array([0, 0, _ABOVE_M]), f"{float(nearness_m):.1f} m")
    return Drawing((Line(pos_w, pos_w + _AHEAD_S * level, color, text),), (label,))
