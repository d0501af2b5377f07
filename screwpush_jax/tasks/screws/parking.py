"""Episodes with fewer screws than the scene has bodies: the others are parked where nothing reaches them.

A parked screw lies at rest on the ground, behind the cameras, out of the arm's reach, and so far from all
others that no pair with it is ever a close one. Where a screw is says whether it is parked: one that left
the work area ended its episode long before it could come there. Legend: S screws.
"""

from typing import TypeVar

import jax
import numpy as np

from screwpush_jax.tasks.screws.config import ScrewsConfig

A = TypeVar("A", jax.Array, np.ndarray)
_PARKED_X_M, _BEYOND_X_M, _APART_M = -3.0, -2.0, 2.0
"""World x of the parked ones, x beyond which a screw counts as one, distance of two neighbours."""


def spots(screws: int) -> np.ndarray:
    """World x and y (m) where each screw is parked, `[S, 2]`."""
    y = _APART_M * (np.arange(screws) - (screws - 1) / 2)
    return np.stack([np.full(screws, _PARKED_X_M), y], axis=-1)


def present(config: ScrewsConfig, pos_w: A) -> A | np.ndarray:
    """Which of the screws at `pos_w [..., S, 3]` (m) an episode is about, `[..., S]` bool.

    A constant, which costs a traced function nothing, where each episode is about all of them.
    """
    if len(config.counts) == 1:
        return np.ones(pos_w.shape[:-1], bool)
    return pos_w[..., 0] > _BEYOND_X_M
