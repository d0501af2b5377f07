"""When success is sure, against the interval worked out by scipy."""

import pytest
from scipy.stats import binomtest

from screwpush_jax.newest_episodes import WINDOW, NewestEpisodes, reached


def lower_bound(successes, episodes):
    interval = binomtest(successes, episodes).proportion_ci(0.95, method="wilson")
    return pytest.approx(interval.low, abs=1e-6)


def of(*rows):
    newest = NewestEpisodes()
    for iteration, (episodes, successes) in enumerate(rows, start=1):
        newest.add(iteration, episodes, successes / max(episodes, 1))
    return newest


def test_it_is_that_of_the_newest_iterations_that_fill_the_window():
    newest = of((5000, 0), (400, 380), (0, 0), (700, 690), (300, 1))
    assert newest.low(before=5) == lower_bound(380 + 690, 1100)
    assert newest.low(before=6) == lower_bound(690 + 1, 1000)


def test_too_few_episodes_are_no_success():
    newest = of((WINDOW - 1, WINDOW - 1))
    assert newest.low(before=2) == 0.0
    newest.add(2, 1, 1.0)
    assert newest.low(before=3) == lower_bound(WINDOW, WINDOW)


def test_an_iteration_without_a_number_counts_for_nothing():
    newest = of((WINDOW, 900))
    newest.add(2, 5000, float("nan"))
    assert newest.low(before=3) == lower_bound(900, WINDOW)


def test_what_is_saved_answers_as_before_and_does_not_grow():
    rows = [(10, n % 11) for n in range(5000)]
    newest = of(*rows)
    saved = newest.to_json()
    assert len(saved) <= WINDOW // 10 + 2
    for before in (5000, 5001):
        last = rows[: before - 1][-100:]
        assert newest.low(before) == lower_bound(sum(k for _, k in last), 1000)
        assert NewestEpisodes(saved).low(before) == newest.low(before)


@pytest.mark.parametrize(
    ("goal", "low", "done"),
    [(0.0, 0.99, False), (0.95, 0.9499, False), (0.95, 0.95, True), (0.95, 0.0, False)],
)
def test_a_goal_of_zero_is_none(goal, low, done):
    assert reached(goal, low) == done
