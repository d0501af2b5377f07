"""Each number of the observation of `goal` against a numpy oracle, and the table that names it."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

N = 6
CENTER, GOAL = np.array([-0.75, 0.0, 0.0]), np.array([-0.6, 0.0, 0.0])


def flat(array) -> np.ndarray:
    return np.asarray(array).reshape(N, -1)


def permuted(state, order):
    changes = {n: leaf[:, np.array(order)] for n, leaf in vars(state.bodies["screws"]).items()}
    return state.with_bodies("screws", **changes)


@pytest.mark.slow
@pytest.mark.parametrize("screws", [2, 3, 8])
@pytest.mark.parametrize("axes", [("x",), ("x", "y", "z", "roll", "pitch", "yaw")])
def test_the_layout_is_gapless_and_has_the_size_of_the_observation(
    make_goal, observed, screws, axes
):
    task = make_goal(screws, active_axes=axes)
    stops = [field.stop for field in task.obs_layout]
    assert [field.start for field in task.obs_layout] == [0, *stops[:-1]]
    assert all(field.unit and field.stop > field.start for field in task.obs_layout)
    obs = observed(task, screws=screws)[3]
    assert (obs.shape, obs.dtype) == ((N, stops[-1]), np.dtype(np.float32))


@pytest.mark.slow
def test_it_says_what_its_table_says(make_goal, observed):
    """The order worked out here: the marked screw, then the nearer one of the two others."""
    state, derived, memory, _, fields = observed(make_goal(horizon=200, active_axes=("x", "y")))
    screws, tip = state.bodies["screws"], derived.tip.pos_w
    apart = np.linalg.norm(screws.pos_w[:, 1:] - screws.pos_w[:, :1], axis=-1)
    order = np.where((apart[:, 0] < apart[:, 1])[:, None], [[0, 1, 2]], [[0, 2, 1]])
    assert len(np.unique(order, axis=0)) == 2, "both orders are tried"

    def of(array) -> np.ndarray:
        return np.take_along_axis(array, order[..., None], axis=1)

    shank = Rotation.from_quat(of(screws.quat_w).reshape(-1, 4)[:, [1, 2, 3, 0]])
    want = {
        "tip_pos_c": tip - CENTER,
        "tip_command_offset": derived.command.pos_w - tip,
        "rod_axis_w": derived.tip.rotation_w[:, :, 2],
        "joint_pos": state.robot.joint_pos,
        "joint_vel": state.robot.joint_vel,
        "goal_pos_tip": GOAL - tip,
        "screw_pos_tip": flat(of(screws.pos_w) - tip[:, None]),
        "screw_pos_goal": flat(of(screws.pos_w) - GOAL),
        "screw_axis_w": flat(shank.apply([1, 0, 0])),
        "screw_linvel_w": flat(of(screws.linvel_w)),
        "screw_angvel_w": flat(of(screws.angvel_w)),
        "goal_distance": np.linalg.norm((screws.pos_w[:, 0] - GOAL)[:, :2], axis=-1)[:, None],
        "prev_action": memory.action,
        "remaining_time": (1 - np.arange(N) * 30 / 200)[:, None],
    }
    assert list(fields) == list(want)
    for name, value in want.items():
        np.testing.assert_allclose(fields[name], value, atol=3e-6, err_msg=name)
    assert np.abs(fields["tip_command_offset"]).max() > 1e-3


@pytest.mark.slow
def test_the_goal_is_where_the_configuration_puts_it(make_goal, observed):
    _, derived, _, _, fields = observed(make_goal(goal_pos_m=(-0.9, 0.2)))
    want = np.array([-0.9, 0.2, 0.0]) - derived.tip.pos_w
    np.testing.assert_allclose(fields["goal_pos_tip"], want, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1, 3, 2), (0, 3, 1, 2), (0, 2, 3, 1)])
def test_renaming_the_unmarked_screws_changes_nothing(make_goal, observed, order):
    task = make_goal(4)
    plain = observed(task, screws=4)[3]
    renamed = observed(task, lambda s: permuted(s, order), screws=4)[3]
    np.testing.assert_array_equal(renamed, plain)


def test_which_one_is_marked_is_seen(make_goal, observed):
    task = make_goal()
    plain, other = (
        observed(task, lambda s, o=o: permuted(s, o))[3] for o in ((0, 1, 2), (1, 0, 2))
    )
    assert (np.abs(plain - other).max(axis=1) > 1e-2).all()
