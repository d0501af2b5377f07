"""What is said of episodes that ended."""

import numpy as np
import pytest

from screwpush_jax.viewer.scoreboard import Scoreboard, ending

METRICS = ("success_once", "out_of_area", "distance_m")


def figures(**true):
    blank = {"success_once": False, "out_of_area": False, "invalid": False, "distance_m": 0.5}
    return {name: np.array([value, False]) for name, value in (blank | true).items()}


@pytest.mark.parametrize(
    ("true", "truncated", "said"),
    [
        ({"success_once": True}, False, "success"),
        ({"out_of_area": True}, False, "out of area"),
        ({"invalid": True, "success_once": True}, False, "physics failed"),
        ({}, True, "time is up"),
        ({"success_once": True}, True, "success"),
        ({}, False, "ended"),
    ],
)
def test_an_end_has_a_name(true, truncated, said):
    assert ending(figures(**true), 0, truncated, "success_once", METRICS) == said


def test_counts_and_rates_are_those_of_all_and_of_the_newest():
    board = Scoreboard()
    assert board.lines() == ["no episode has ended yet"]
    for name in ["time is up"] * 10 + ["success"] * 20 + ["out of area"] * 10 + ["success"] * 10:
        board.add(name)
    assert (board.episodes, board.successes) == (50, 30)
    # Wilson's interval of 30 in 50, by its formula
    z, p, n = 1.959964, 0.6, 50
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    assert board.lines() == [
        "30 of 50 episodes succeeded",
        f"60% (95 % interval {low:.0%} to {high:.0%})",
        "10 of the last 20",
        "time is up: 10",
        "out of area: 10",
    ]
