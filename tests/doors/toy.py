"""What the toy task does, worked out in plain numbers."""

import numpy as np

TOY = {"sim": "rail", "device": "cpu", "fast_compile": True}
"""Fields of its configuration."""


class Oracle:
    """One environment of the toy task in plain numbers: a bar goes where it is told."""

    def __init__(self, obs: np.ndarray, horizon: int, mark_rad: float = 1.0):
        self.horizon, self.mark_rad = horizon, mark_rad
        self.start(obs)

    def start(self, obs: np.ndarray) -> None:
        """Where an observation says that an episode begins."""
        self.at = self.mark_rad - float(obs[0])
        self.clock = round((1.0 - float(obs[1])) * self.horizon)
        self.return_ = 0.0

    def step(self, action: float) -> tuple[list[float], float, bool, bool]:
        """Observation, reward, terminated, truncated."""
        self.at += 0.2 * min(max(action, -1.0), 1.0)
        self.clock += 1
        far = abs(self.mark_rad - self.at)
        reached = far < 0.05
        reward = 5.0 * reached - far
        self.return_ += reward
        left = 1.0 - min(self.clock, self.horizon - 1) / self.horizon
        return [self.mark_rad - self.at, left], reward, reached, self.clock >= self.horizon
