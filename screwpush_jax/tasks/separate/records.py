"""What came of episodes of `separate`: how near the closest pair stayed, and which starts are hard.

Legend: N episodes, S screws, P pairs.
"""

from collections.abc import Mapping

import numpy as np

from screwpush_jax.tasks.records import Figure, Histogram, Rates, Records
from screwpush_jax.tasks.screws.geometry import pair_indices
from screwpush_jax.tasks.screws.records import SCREWS, ends_map
from screwpush_jax.tasks.separate.config import SeparateConfig


def report(config: SeparateConfig, records: Mapping[str, Records]) -> list[Figure]:
    """Final distances, success against the difficulty of the start, the learned policy's map."""
    closest = {name: np.min(_distances(one.last[SCREWS]), axis=-1) for name, one in records.items()}
    missing = {
        name: missing_m(config.separation_m, one.start(SCREWS)) for name, one in records.items()
    }
    return [
        Histogram(
            title="closest pair at the end",
            label="distance (m)",
            values=closest,
            marks={"D": config.separation_m},
        ),
        Rates(
            title="success against the difficulty of the start",
            label="distance to be made, all pairs (m)",
            values=missing,
            success={name: one.success for name, one in records.items()},
        ),
        ends_map(config, next(iter(records.values()))),
    ]


def missing_m(separation_m: float, pos_w: np.ndarray) -> np.ndarray:
    """What the pairs lack to `separation_m`, summed, `[N]` m, at positions `[N, S, 3]` m."""
    return np.sum(np.maximum(separation_m - _distances(pos_w), 0.0), axis=-1)


def _distances(pos_w: np.ndarray) -> np.ndarray:
    """Of each pair, `[N, P]` m."""
    first, second = pair_indices(pos_w.shape[1])
    return np.linalg.norm(pos_w[:, first] - pos_w[:, second], axis=-1)
