"""What is recorded of an episode with screws, and the map that any task on them can show of it.

Legend: N episodes, S screws.
"""

from typing import Any

import jax
import numpy as np

from screwpush_jax.tasks.records import Map, Records
from screwpush_jax.tasks.screws.config import ScrewsConfig
from screwpush_jax.tasks.screws.parking import present
from screwpush_jax.tasks.screws.types import Derived

SCREWS, TIP = "screw_pos_w", "tip_pos_w"
_CIRCLE = np.linspace(0.0, 2 * np.pi, 49)


def watch(derived: Derived) -> dict[str, jax.Array]:
    """Where the screws and the rod's tip are, `[N, S, 3]` and `[N, 3]` m."""
    return {SCREWS: derived.state.bodies["screws"].pos_w, TIP: derived.tip.pos_w}


def ends_map(
    config: ScrewsConfig, records: Records, marked: Any = slice(None), **outlines: np.ndarray
) -> Map:
    """Where the screws that `marked` selects ended, and where the rod's tip was, in the work area."""
    ends = records.last[SCREWS][:, marked]
    there = present(config, ends)
    by_end = {"success": records.success, "failure": ~records.success}
    return Map(
        title="where screws ended and the rod went",
        visited=records.path[TIP][..., :2].reshape(-1, 2),
        visited_label="rod's tip, instants",
        points={f"screw, {end}": ends[which][there[which], :2] for end, which in by_end.items()},
        outlines={"work area": square(config.area_center_m, config.area_half_m), **outlines},
    )


def square(center_m: tuple[float, float], half_m: float) -> np.ndarray:
    """Corners `[4, 2]` m."""
    return np.array(center_m) + half_m * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])


def circle(center_m: tuple[float, float], radius_m: float) -> np.ndarray:
    """Points on it, `[49, 2]` m."""
    return np.array(center_m) + radius_m * np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=-1)
