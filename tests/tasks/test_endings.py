"""What ended an episode, by name."""

from types import SimpleNamespace

import numpy as np
import pytest

from screwpush_jax.tasks.endings import ended_by

TASK = SimpleNamespace(
    score="met", metrics=("met", "left_area", "broke_rod", "distance_m"), horizon=10
)
NONE = {"met": False, "left_area": False, "broke_rod": False, "distance_m": 0.5, "invalid": False}


@pytest.mark.parametrize(
    ("true", "length", "said"),
    [
        (("met",), 3, "success"),
        (("met",), 10, "success"),  # at the last moment
        (("met", "invalid"), 3, "success"),  # as the rate of successes counts it
        (("broke_rod",), 3, "broke rod"),
        (("left_area", "broke_rod"), 3, "left area"),
        (("left_area", "invalid"), 3, "left area"),
        (("invalid",), 10, "invalid"),
        ((), 10, "time limit"),
        ((), 3, "other"),
    ],
)
def test_an_end_has_the_name_of_what_counts_first(true, length, said):
    figures = NONE | dict.fromkeys(true, True) | {"episode_len": length}
    assert str(ended_by(TASK, {n: np.asarray(x)[()] for n, x in figures.items()})) == said
    others = NONE | {"episode_len": 10}
    rows = {n: np.array([others[n], figures[n]]) for n in figures}
    assert ended_by(TASK, rows).tolist() == ["time limit", said]
