"""What a simulator's times mean to a learner, by hand."""

import pytest

from screwpush_jax.phases import of_stages, phases


def report(steps: int, elapsed_ms: float, sim_ms: float, pause_ms: float) -> dict[str, float]:
    return {
        "perf/steps": float(steps),
        "perf/elapsed_ms": elapsed_ms,
        "perf/sim_ms": sim_ms,
        "perf/pause_ms": pause_ms,
    }


def times_ms(figures: dict[str, float]) -> list[float]:
    return [figures[f"perf/{name}_ms"] for name in ("iteration", "sim", "transition", "update")]


def test_two_pauses_of_three_stand_for_all_and_the_update_takes_the_rest():
    assert times_ms(phases(report(3, 15.0, 7.0, 3.0))) == pytest.approx([15.0, 7.0, 4.5, 3.5])


def test_the_parts_are_no_more_than_the_whole():
    """In a first iteration the pause before the first step is not known: two stand for three, if at all."""
    assert times_ms(phases(report(3, 10.0, 3.0, 7.0))) == pytest.approx([10.0, 3.0, 7.0, 0.0])


@pytest.mark.parametrize("steps", [0, 1])
def test_without_a_pause_between_two_steps_all_but_physics_is_the_update(steps):
    assert times_ms(phases(report(steps, 5.0, 2.0, 0.0))) == pytest.approx([5.0, 2.0, 0.0, 3.0])


def test_other_figures_pass_and_the_clocks_own_do_not():
    given = report(3, 15.0, 7.0, 3.0) | {"perf/contact_peak": 12.0}
    shown = phases(given)
    assert shown["perf/contact_peak"] == 12.0
    assert not {"perf/steps", "perf/elapsed_ms", "perf/pause_ms"} & shown.keys()
    assert given["perf/steps"] == 3.0


def test_stages_that_were_stepped_in_turn_make_one_report():
    """Each has three steps of 2 ms in a span of 16 and of 18 ms: physics takes 12 of it, 6 are pauses."""
    first = report(3, 20.0, 6.0, 10.0) | {"perf/contact_peak": 0.5, "perf/overflow": 1.0}
    second = report(3, 21.0, 6.0, 12.0) | {"perf/contact_peak": 0.25, "perf/overflow": 3.0}
    merged = of_stages([first, second])
    assert merged == report(3, 21.0, 12.0, 6.0) | {"perf/contact_peak": 0.5, "perf/overflow": 4.0}
    assert times_ms(phases(merged)) == pytest.approx([21.0, 12.0, 9.0, 0.0])


def test_physics_of_two_that_ran_at_once_takes_no_longer_than_there_was():
    merged = of_stages([report(3, 10.0, 9.0, 0.5), report(3, 10.0, 9.0, 0.5)])
    assert merged == report(3, 10.0, 10.0, 0.0)
