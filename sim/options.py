"""Options of each engine, importable where the engine itself is not installed."""

import dataclasses
from typing import Literal

EngineName = Literal["mujoco"]
"""Engines that exist, in the order in which help lists them."""


@dataclasses.dataclass(frozen=True)
class MujocoConfig:
    """How MuJoCo's C engine runs."""

    num_threads: int = 0
    """Threads that step scenes; 0 takes every core. Results do not depend on it."""
