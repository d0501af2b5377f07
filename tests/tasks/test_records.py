"""What the tasks on screws tell of evaluated episodes, worked out by hand."""

import itertools
import math

import numpy as np
import pytest

from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.task import GoalTask
from screwpush_jax.tasks.optional import Recorded
from screwpush_jax.tasks.records import Histogram, Map, Rates, Records
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.separate.task import SeparateTask

N, K, SCREWS = 5, 4, 3
NAN = float("nan")


def some_records(seed):
    """Episodes of which number n ended at instant n (and the last one at the last)."""
    rng = np.random.default_rng(seed)
    screws = rng.uniform(-0.1, 0.1, (N, K, SCREWS, 3)) + [-0.75, 0.0, 0.0]
    tip = rng.uniform(-0.1, 0.1, (N, K, 3)) + [-0.75, 0.0, 0.05]
    ends = [min(n, K - 1) for n in range(N)]
    last = {
        "screw_pos_w": np.stack([screws[n, end] for n, end in enumerate(ends)]),
        "tip_pos_w": np.stack([tip[n, end] for n, end in enumerate(ends)]),
    }
    for n, end in enumerate(ends):
        screws[n, end + 1 :], tip[n, end + 1 :] = NAN, NAN
    return Records(np.arange(N) % 2 == 0, {"screw_pos_w": screws, "tip_pos_w": tip}, last)


RECORDS = {"learned": some_records(1), "scripted": some_records(2)}
TASKS = {"separate": SeparateTask(SeparateConfig()), "goal": GoalTask(GoalConfig())}


def of_kind(figures, kind):
    (figure,) = (figure for figure in figures if isinstance(figure, kind))
    return figure


@pytest.fixture(params=TASKS)
def task(request):
    return TASKS[request.param]


def test_each_task_is_recorded_and_every_policy_is_told_of(task):
    assert isinstance(task, Recorded)
    figures = task.report(RECORDS)
    assert len(figures) == 3
    assert list(of_kind(figures, Histogram).values) == [*RECORDS]
    assert list(of_kind(figures, Rates).values) == [*RECORDS]
    for name, record in RECORDS.items():
        np.testing.assert_array_equal(of_kind(figures, Rates).success[name], record.success)


def test_separate_tells_the_closest_pair_and_what_the_pairs_lacked():
    figures = TASKS["separate"].report(RECORDS)
    closest, lacked = of_kind(figures, Histogram), of_kind(figures, Rates)
    assert closest.marks == {"D": 0.15}
    for name, record in RECORDS.items():
        for n in range(N):
            ended, began = record.last["screw_pos_w"][n], record.path["screw_pos_w"][n, 0]
            pairs = [math.dist(a, b) for a, b in itertools.combinations(ended, 2)]
            assert closest.values[name][n] == pytest.approx(min(pairs))
            pairs = [math.dist(a, b) for a, b in itertools.combinations(began, 2)]
            lack = sum(0.15 - d for d in pairs if d < 0.15)
            assert lacked.values[name][n] == pytest.approx(lack)


def test_goal_tells_how_far_the_marked_screw_is_and_was():
    figures = TASKS["goal"].report(RECORDS)
    far, way = of_kind(figures, Histogram), of_kind(figures, Rates)
    assert list(far.marks.values()) == [0.05]
    for name, record in RECORDS.items():
        for n in range(N):
            ended, began = record.last["screw_pos_w"][n, 0], record.path["screw_pos_w"][n, 0, 0]
            assert far.values[name][n] == pytest.approx(math.dist(ended[:2], (-0.6, 0.0)))
            assert way.values[name][n] == pytest.approx(math.dist(began[:2], (-0.6, 0.0)))


def test_the_map_is_the_learned_policys(task):
    shown, learned = of_kind(task.report(RECORDS), Map), RECORDS["learned"]
    ends = np.concatenate(list(shown.points.values()))
    screws = (
        learned.last["screw_pos_w"][:, :1] if task.name == "goal" else learned.last["screw_pos_w"]
    )
    assert sorted(map(tuple, ends)) == sorted(map(tuple, screws[..., :2].reshape(-1, 2)))
    where = dict(zip(("success", "failure"), shown.points.values(), strict=True))
    assert len(where["success"]) == 3 * screws.shape[1]
    visited = shown.visited[np.isfinite(shown.visited[:, 0])]
    assert len(visited) == sum(min(n, K - 1) + 1 for n in range(N))
    assert shown.outlines["work area"].min(axis=0) == pytest.approx([-1.1, -0.35])
    assert shown.outlines["work area"].max(axis=0) == pytest.approx([-0.4, 0.35])


def test_the_discs_outline_is_where_the_disc_is():
    disc = of_kind(TASKS["goal"].report(RECORDS), Map).outlines["disc"]
    np.testing.assert_allclose(np.hypot(*(disc - [-0.6, 0.0]).T), 0.05)
