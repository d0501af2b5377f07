"""The arithmetic of step times."""

import pytest

from screwpush_sim.clock import HostClock, step_times


def test_times_of_three_steps_by_hand():
    """Steps 10-12, 13-14, 16-20 s after one that ended at 5 s: 7 busy, pauses of 1 and 2 between."""
    assert step_times([10.0, 13.0, 16.0], [12.0, 14.0, 20.0], 5.0) == pytest.approx(
        {"perf/steps": 3, "perf/elapsed_ms": 15e3, "perf/sim_ms": 7e3, "perf/pause_ms": 3e3}
    )


def test_the_first_lap_begins_with_its_first_step():
    assert step_times([10.0], [12.0], None) == pytest.approx(
        {"perf/steps": 1, "perf/elapsed_ms": 2e3, "perf/sim_ms": 2e3, "perf/pause_ms": 0}
    )


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
    assert second["perf/elapsed_ms"] >= second["perf/sim_ms"] > 0
    assert second["perf/steps"] == 3
    assert set(clock.lap()().values()) == {0.0}
