"""What the tasks draw for people, against distances worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from screwpush_jax.tasks.drawing import BAD, GOOD
from screwpush_jax.tasks.goal.task import GoalTask
from screwpush_jax.tasks.humanoid.task import HumanoidTask
from screwpush_jax.tasks.optional import Drawn
from screwpush_jax.tasks.separate.task import SeparateTask


def derived(pos_w, tip_w=(0.0, 0.0, 0.0)):
    bodies = {"screws": SimpleNamespace(pos_w=np.array([pos_w]))}
    tip = SimpleNamespace(pos_w=np.array([tip_w]))
    return SimpleNamespace(state=SimpleNamespace(bodies=bodies), tip=tip)


@pytest.mark.parametrize("task", [SeparateTask, GoalTask, HumanoidTask])
def test_these_tasks_draw_and_another_need_not(task):
    assert isinstance(task(task.options()), Drawn)


def test_pairs_have_a_line_with_their_distance_and_d():
    task = SeparateTask(SeparateTask.options(separation_m=0.2))
    places = [(0.0, 0.0, 0.0), (0.3, 0.0, 0.0), (0.3, 0.1, 0.0)]
    (drawing,) = task.draw(None, derived(places))
    assert not drawing.labels
    assert [line.text for line in drawing.lines] == [
        "30.0 / 20 cm",
        f"{100 * np.hypot(0.3, 0.1):.1f} / 20 cm",
        "10.0 / 20 cm",
    ]
    assert [line.color for line in drawing.lines] == [GOOD, GOOD, BAD]
    ends = [(tuple(line.start_w), tuple(line.end_w)) for line in drawing.lines]
    assert ends == [(places[i], places[j]) for i, j in ((0, 1), (0, 2), (1, 2))]


def test_of_many_pairs_only_those_too_close_have_a_text():
    task = SeparateTask(SeparateTask.options(separation_m=0.2))
    places = [(0.15 * k, 0.0, 0.0) for k in range(4)]
    (drawing,) = task.draw(None, derived(places))
    texts = {line.text for line in drawing.lines}
    assert len(drawing.lines) == 6
    assert texts == {"", "15.0 / 20 cm"}


@pytest.mark.parametrize(("inside", "color"), [(True, GOOD), (False, BAD)])
def test_the_marked_screw_has_a_line_to_the_disc_and_one_from_the_tip(inside, color):
    options = GoalTask.options(goal_pos_m=(-0.7, 0.1), goal_radius_m=0.05)
    far = 0.03 if inside else 0.25
    marked = np.array([-0.7 - far, 0.1, 0.012])
    (drawing,) = GoalTask(options).draw(
        None, derived([marked, (0.0, 0.0, 0.0)], tip_w=marked + (0.0, 0.03, 0.04))
    )
    tip, goal = drawing.lines
    assert tip.text == "5.0 cm"
    assert goal.text == f"{100 * far:.1f} / 5 cm"
    assert goal.color == color
    np.testing.assert_array_equal(goal.start_w, marked)
    np.testing.assert_allclose(goal.end_w, [-0.7, 0.1, 0.012])
    np.testing.assert_array_equal(tip.end_w, marked)
