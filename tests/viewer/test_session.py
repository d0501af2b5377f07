"""A session against what one can work out by hand; no page, no window."""

import numpy as np
import pytest

from screwpush_jax.viewer import loop

STEP_RAD, HORIZON, MARK_RAD, DT_S = 0.05, 12, 1.0, 0.05
STAYS = 12
"""Control steps for which one sees how an episode ended."""


def by_hand(place):
    """Steps of the episode that begins at `place`, whether it succeeds, and its sums of `near`."""
    near = [0.0]
    for step in range(1, HORIZON + 1):
        distance = abs(MARK_RAD - (place + STEP_RAD * step))
        near.append(near[-1] - distance)
        if distance < 0.05 - 1e-6:
            return step, True, near
    return HORIZON, False, near


@pytest.mark.parametrize("place", [0.52, 0.735, 0.1])
def test_an_episode_ends_as_worked_out_by_hand_and_is_shown_for_a_while(session, place):
    watched = session(place)
    length, won, near = by_hand(place)
    assert watched.time_s[0] == 0.0
    for step in range(1, length + 1):
        assert watched.endings == [""]
        watched.step()
        assert watched.time_s[0] == pytest.approx(step * DT_S)
        np.testing.assert_allclose(
            watched.state.robot.joint_pos[0], place + STEP_RAD * step, rtol=1e-5
        )
    assert watched.endings == ["success" if won else "time limit"]
    assert watched.has_won(0) == won
    assert watched.scoreboard.episodes == 1
    assert watched.scoreboard.successes == int(won)
    terms = dict(zip(watched.tracks[0].terms, watched.tracks[0].sums().T, strict=True))
    np.testing.assert_allclose(terms["near"], near, rtol=1e-5, atol=1e-6)
    assert terms["reached"][-1] == (5.0 if won else 0.0)
    assert watched.returns[0] == pytest.approx(near[-1] + terms["reached"][-1], rel=1e-5)
    steps = dict(zip(watched.tracks[0].terms, watched.tracks[0].steps().T, strict=True))
    np.testing.assert_allclose(np.cumsum(steps["near"]), terms["near"], atol=1e-6)

    end = watched.state.robot.joint_pos.copy()
    for _ in range(STAYS):
        assert watched.endings != [""]
        watched.step()
        np.testing.assert_array_equal(watched.state.robot.joint_pos, end)
    watched.step()
    assert watched.endings == [""]
    np.testing.assert_allclose(watched.state.robot.joint_pos[0], place, rtol=1e-6)
    assert len(watched.tracks[0].sums()) == 1
    assert watched.scoreboard.episodes == 1


def test_time_goes_as_fast_as_it_is_told_and_never_catches_up(session):
    watched, now_s = session(), 100.0

    def steps_in(seconds):
        nonlocal now_s
        count = sum(watched.tick(now_s + k * 1e-3) for k in range(round(1e3 * seconds)))
        now_s += seconds
        return count

    assert steps_in(1.0) == pytest.approx(1.0 / DT_S, abs=1)
    watched.set_speed(4.0)
    assert steps_in(1.0) == pytest.approx(4.0 / DT_S, abs=1)
    watched.set_speed(0.25)
    assert steps_in(2.0) == pytest.approx(0.5 / DT_S, abs=1)
    watched.set_speed(1.0)
    now_s += 60.0  # it hung
    assert steps_in(0.5) == pytest.approx(0.5 / DT_S, abs=2)
    for asked, kept in ((1e9, 8.0), (0.0, 0.05)):
        watched.set_speed(asked)
        assert watched.speed == kept


def test_what_is_paused_moves_only_when_asked_to(session):
    watched = session()
    watched.toggle_pause()
    place = watched.state.robot.joint_pos.copy()
    assert not any(watched.tick(float(now_s)) for now_s in range(50))
    np.testing.assert_array_equal(watched.state.robot.joint_pos, place)
    watched.single_step()
    assert [watched.tick(100.0 + k) for k in range(3)] == [True, False, False]
    np.testing.assert_allclose(watched.state.robot.joint_pos, place + STEP_RAD, rtol=1e-5)
    watched.reset()
    assert [watched.tick(200.0 + k) for k in range(3)] == [True, False, False]
    np.testing.assert_array_equal(watched.state.robot.joint_pos, place)
    assert watched.paused
    assert watched.scoreboard.episodes == 0
    watched.toggle_pause()
    assert watched.tick(300.0)
    watched.single_step()
    assert watched.paused


def test_another_policy_acts_in_episodes_of_its_own(session):
    watched = session(0.735)
    for _ in range(3 * (HORIZON + STAYS)):
        watched.step()
    assert watched.scoreboard.episodes > 1
    watched.choose_policy("random")
    assert watched.scoreboard.episodes == 0
    watched.step()
    assert watched.time_s[0] == 0.0
    watched.step()
    moved = watched.state.robot.joint_pos - 0.735
    assert np.all(np.abs(moved) <= STEP_RAD)
    assert not np.allclose(moved, STEP_RAD)


def test_scenes_run_side_by_side_and_begin_anew_one_by_one(session):
    watched = session(0.735, count=3)
    length = by_hand(0.735)[0]
    for _ in range(length):
        watched.step()
    assert watched.endings == ["success"] * 3
    assert watched.scoreboard.episodes == 3


def test_what_the_task_draws_is_drawn_from_host_arrays(session, drawing_kind):
    watched = session(0.52, count=2, kind=drawing_kind)
    watched.step()
    drawings = watched.drawings()
    assert [d.lines[0].text for d in drawings] == [f"{np.sin(0.57):.3f}"] * 2
    np.testing.assert_allclose(
        drawings[0].lines[0].middle_w, [np.sin(0.57) / 2, np.cos(0.57) / 2, 0.5], rtol=1e-5
    )
    plain = session(0.52, count=2)
    assert [len(d.lines) + len(d.labels) for d in plain.drawings()] == [0, 0]


class Viewer:
    """A screen that asks for something at some of its looks, and is closed or interrupts at the end."""

    def __init__(self, script, last):
        self.script, self.last = script, last
        self.shown, self.waits, self.now_s = [], [], 0.0

    def is_open(self):
        return self.last != "closed" or self.now_s < 3.0

    def commands(self, wait_s):
        assert 0.0 <= wait_s <= 0.1
        self.now_s += max(wait_s, 1e-3)
        if self.last == "Ctrl-C" and self.now_s > 3.0:
            raise KeyboardInterrupt
        due = [s for s in self.script if s[0] <= self.now_s]
        self.script = [s for s in self.script if s not in due]
        return [command for _, command in due]

    def show(self, session):
        self.shown.append((self.now_s, session.paused, float(session.time_s[0])))

    def close(self): ...


@pytest.mark.parametrize("last", ["closed", "Ctrl-C"])
def test_the_loop_shows_what_happens_and_ends_cleanly(session, last):
    watched = session(0.1)
    screen = Viewer([(1.0, lambda s: s.toggle_pause()), (2.0, lambda s: s.single_step())], last)
    loop.run(watched, screen, clock=lambda: screen.now_s)
    times_s = [t for t, *_ in screen.shown]
    assert np.all(np.diff(times_s) >= 1 / 30 - 1e-9)
    early, paused = ([s for s in screen.shown if s[1] == flag] for flag in (False, True))
    assert len(early) == pytest.approx(1.0 / DT_S, abs=3)
    assert early[0][2] == 0.0
    assert len({s[2] for s in paused}) == 2  # where it stood, and one step later
    assert len(paused) <= 4  # nothing changes, nothing is shown
