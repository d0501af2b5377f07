"""What people are shown of the task: how far apart the screws of each pair are, against D."""

import numpy as np

from screwpush_jax.tasks.drawing import BAD, GOOD, Drawing, Line
from screwpush_jax.tasks.screws.geometry import pair_indices
from screwpush_jax.tasks.screws.parking import present
from screwpush_jax.tasks.separate.config import SeparateConfig

_MOST_TEXTS = 3
"""With more pairs than this, those that are far enough apart have a line alone."""


def draw(config: SeparateConfig, pos_w: np.ndarray) -> Drawing:
    """A line between each pair of the screws at `pos_w [S, 3]` (m), with its length and D."""
    pos_w = pos_w[present(config, pos_w)]
    pairs = list(zip(*pair_indices(len(pos_w)), strict=True))
    lines = []
    for first, second in pairs:
        start, end = pos_w[first], pos_w[second]
        distance_m = float(np.linalg.norm(end - start))
        apart = distance_m >= config.separation_m
        text = f"{100 * distance_m:.1f} / {100 * config.separation_m:g} cm"
        shown = not apart or len(pairs) <= _MOST_TEXTS
        lines.append(Line(start, end, GOOD if apart else BAD, text if shown else ""))
    return Drawing(tuple(lines))
