"""What is said of episodes that ended."""

import numpy as np

from screwpush_jax.viewer.scoreboard import Scoreboard


def test_counts_and_rates_are_those_of_all_and_of_the_newest():
    board = Scoreboard()
    assert board.lines() == ["no episode has ended yet"]
    for name in ["time limit"] * 10 + ["success"] * 20 + ["out of area"] * 10 + ["success"] * 10:
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
        "time limit: 10",
        "out of area: 10",
    ]
