"""The arithmetic of step times."""

import pytest

from sim.clock import HostClock, step_times


def test_times_of_three_steps_by_hand():
    """Steps 10-12, 13-14, 16-20 s after one that ended at 5 s: 7 busy, pauses 1 and 2 of three."""
    report = step_times([10.0, 13.0, 16.0], [12.0, 14.0, 20.0], 5.0)
    assert report["perf/iteration_ms"] == pytest.approx(15_000)
    assert report["perf/sim_ms"] == pytest.approx(7_000)
    assert report["perf/transition_ms"] == pytest.approx(4_500)
    assert report["perf/update_ms"] == pytest.approx(3_500)


def test_the_first_lap_begins_with_its_first_step():
    assert step_times([10.0], [12.0], None)["perf/iteration_ms"] == pytest.approx(2_000)


def test_the_parts_are_no_more_than_the_whole():
    """In a first lap the pause before the first step is not known: two stand for three, if at all."""
    report = step_times([10.0, 13.0, 19.0], [11.0, 14.0, 20.0], None)
    assert report["perf/iteration_ms"] == pytest.approx(10_000)
    assert report["perf/transition_ms"] == pytest.approx(7_000)
    assert report["perf/update_ms"] == 0.0


def test_no_steps_take_no_time():
    assert set(step_times([], [], None).values()) == {0.0}


def test_a_lap_reaches_from_the_last_one_to_its_own_end():
    clock = HostClock()
    laps = []
    for _ in range(2):
        for _ in range(3):
            clock.begin()
            clock.end()
        laps.append(clock.lap())
    first, second = (lap() for lap in laps)
    assert set(first) == set(second)
    assert second["perf/iteration_ms"] >= second["perf/sim_ms"] > 0
    assert set(clock.lap()().values()) == {0.0}
