"""What is cut from a film, and what is written and drawn on it."""

from types import SimpleNamespace

import numpy as np
import pytest

from screwpush_jax.film import Film, Frames
from screwpush_jax.filming.clips import Caption, Maker, choose
from screwpush_jax.filming.drawing import annotate, one_by_one, side_by_side, stills
from screwpush_sim.state import RobotState, SimState

F, S = 6, 2
TASK = SimpleNamespace(score="met", metrics=("met", "left_area"), horizon=4)
MAKER = Maker(TASK, 0.05)


def film(**ends):
    """Scene 0 ends at frame 3 and begins anew; scene 1 at 4. `ends` are flags at the end."""
    joints = np.arange(F * S, dtype=float).reshape(F, S, 1)
    ended = np.zeros((F, S), bool)
    ended[3, 0] = ended[4, 1] = True
    live = np.ones((F, S), bool)
    live[0], live[4, 0] = False, False
    length = np.array([[0, 0], [1, 1], [2, 2], [3, 3], [0, 4], [1, 1]])
    flags = {n: ended & ends.get(n, False) for n in ("met", "left_area", "invalid")}
    figures = {"reward/goal_term": 2.0 * length, **flags, "episode_len": length, "return": -length}
    caption = {"gap_m": joints[..., 0] / 100, "D_m": np.full((F, S), 0.15)}
    state = SimState(RobotState(joints, joints), {}, {})
    return Film(Frames(state, figures, caption, live, ended), {})


def test_an_episode_is_cut_where_it_ends_and_a_scene_is_not():
    clip = MAKER.episode(film(met=True), 0)
    assert clip.states.robot.joint_pos[:, 0].tolist() == [2, 4, 6]
    assert [c.ending for c in clip.captions] == ["", "", "success"]
    assert clip.captions[-1].won
    whole = MAKER.scene(film(met=True), 0)
    assert whole.states.robot.joint_pos[:, 0].tolist() == [2, 4, 6, 10]
    assert whole.captions[1].lines == (
        *("0.1 s   return -2.00", "D 0.150 m   gap 0.040 m"),
        "goal term 4.00",
    )


@pytest.mark.parametrize(
    ("flags", "ending"),
    [({}, "time limit"), ({"left_area": True}, "left area"), ({"invalid": True}, "invalid")],
)
def test_what_ended_it_is_said(flags, ending):
    last = MAKER.episode(film(**flags), 1).captions[-1]
    assert last.ending == ending
    assert not last.won


def test_a_state_that_blew_up_is_not_drawn():
    broken = film(invalid=True)
    broken.frames.state.robot.joint_pos[2, 0] = np.nan
    assert MAKER.episode(broken, 0).states.robot.joint_pos[:, 0].tolist() == [2, 6]


def test_the_best_the_worst_and_failures_are_chosen():
    returns, won = np.array([3.0, 9.0, 1.0, -5.0, 2.0]), np.array([1, 1, 0, 0, 0], bool)
    assert choose(returns, won, 9) == [1, 3, 2, 4]
    assert choose(returns, won, 2) == [1, 3]
    assert choose(returns[:1], won[:1], 3) == [0]
    assert choose(np.array([]), np.array([], bool), 3) == []


class Canvas:
    """Pictures whose brightness is the first joint's number."""

    def frame(self, state):
        return np.full((240, 320, 3), int(state.robot.joint_pos[0]), np.uint8)


def test_each_line_is_written_and_an_end_is_framed():
    plain = np.full((240, 320, 3), 90, np.uint8)
    pictures = [annotate(plain, Caption(("one",) * n)) for n in range(4)]
    changed = [int((picture != plain).sum()) for picture in pictures]
    assert changed[0] == 0
    assert np.diff(changed).min() > 0.5 * changed[1] > 0
    assert (pictures[1][30:] == plain[30:]).all()
    small = np.full((100, 320, 3), 90, np.uint8)
    assert (annotate(small, Caption(("a", "b", "c"))) == annotate(small, Caption(("a", "b")))).all()
    won, lost = (annotate(plain, Caption((), "over", won=w)) for w in (True, False))
    assert won[0, 0, 1] > 1.5 * won[0, 0, 0]
    assert lost[0, 0, 0] > 1.5 * lost[0, 0, 1]
    assert (won[200:234, 100:220] != plain[200:234, 100:220]).any()  # what ended it


def test_a_grid_goes_on_until_the_last_clip_is_over():
    clips = [MAKER.episode(film(met=True), n) for n in (0, 1)] + [MAKER.scene(film(), 1)]
    single = list(one_by_one(clips, Canvas()))
    grid = list(side_by_side(clips, Canvas()))
    lengths = [len(list(one_by_one([clip], Canvas()))) for clip in clips]
    assert lengths == [2 + 12, 3 + 12, 4 + 12]
    assert len(single) == sum(lengths)
    assert len(grid) == max(lengths)
    assert grid[0].shape == (480, 640, 3)
    tiles = [grid[0][220, 300], grid[0][220, 620], grid[0][460, 300], grid[0][460, 620]]
    assert [int(tile[0]) for tile in tiles] == [2, 3, 3, 0]
    (alone,) = list(
        one_by_one([SimpleNamespace(states=clips[0].states, captions=(Caption(()),))], Canvas())
    )
    assert (alone == 2).all()


def test_stills_are_an_episodes_start_end_and_what_is_evenly_between():
    clips = [MAKER.episode(film(met=True), 1), MAKER.episode(film(), 0)]
    shown = stills(clips, Canvas(), 3)
    assert shown.shape == (480, 960, 3)
    centres = shown[[[100], [340]], [[300, 620, 940]], 0]
    assert centres.tolist() == [[3, 7, 9], [2, 4, 6]]
    framed = shown[[[0], [240]], [[2, 322, 642]]].max(axis=-1) > 100
    assert framed.tolist() == [[False, False, True]] * 2
