"""What came of episodes of `goal`: how far from the disc the marked screw stayed, and from where."""

from collections.abc import Mapping

import numpy as np

from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.geometry import MARKED
from screwpush_jax.tasks.records import Figure, Histogram, Rates, Records
from screwpush_jax.tasks.screws.records import SCREWS, circle, ends_map


def report(config: GoalConfig, records: Mapping[str, Records]) -> list[Figure]:
    """Final distances, success against the way to go, the learned policy's map."""
    ends = {name: _distance_m(config, one.last[SCREWS]) for name, one in records.items()}
    ways = {name: _distance_m(config, one.start(SCREWS)) for name, one in records.items()}
    disc = circle(config.goal_pos_m, config.goal_radius_m)
    return [
        Histogram(
            title="marked screw at the end",
            label="distance to the disc's centre (m)",
            values=ends,
            marks={"disc's radius": config.goal_radius_m},
        ),
        Rates(
            title="success against the difficulty of the start",
            label="marked screw's distance to the disc's centre (m)",
            values=ways,
            success={name: one.success for name, one in records.items()},
        ),
        ends_map(config, next(iter(records.values())), [MARKED], disc=disc),
    ]


def _distance_m(config: GoalConfig, pos_w: np.ndarray) -> np.ndarray:
    """`[N]` m in the plane, at the screws' positions `[N, S, 3]` m."""
    return np.linalg.norm(pos_w[:, MARKED, :2] - np.array(config.goal_pos_m), axis=-1)
