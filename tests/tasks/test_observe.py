"""Each number of the observation against a numpy oracle, and the table that names it."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

N = 6
CENTER = np.array([-0.75, 0.0, 0.0])


def flat(array) -> np.ndarray:
    return np.asarray(array).reshape(N, -1)


def permuted(state, order):
    changes = {n: leaf[:, np.array(order)] for n, leaf in vars(state.bodies["screws"]).items()}
    return state.with_bodies("screws", **changes)


@pytest.mark.parametrize("screws", [2, 3, 8])
@pytest.mark.parametrize("observation", ["full", "prototype19"])
@pytest.mark.parametrize("axes", [("x",), ("x", "y", "z", "roll", "pitch", "yaw")])
def test_the_layout_is_gapless(make_task, screws, observation, axes):
    task = make_task(screws, observation=observation, active_axes=axes)
    stops = [field.stop for field in task.obs_layout]
    assert [field.start for field in task.obs_layout] == [0, *stops[:-1]]
    assert task.obs_sizes == {"policy": stops[-1]}
    assert all(field.unit and field.stop > field.start for field in task.obs_layout)


@pytest.mark.slow
@pytest.mark.parametrize("screws", [2, 4])
@pytest.mark.parametrize("observation", ["full", "prototype19"])
def test_the_layout_has_the_size_of_the_observation(make_task, observed, screws, observation):
    task = make_task(screws, observation=observation)
    obs = observed(task, screws=screws)[3]
    assert (obs.shape, obs.dtype) == ((N, task.obs_sizes["policy"]), np.dtype(np.float32))


@pytest.mark.slow
def test_full_says_what_its_table_says(make_task, observed):
    """Unsorted, so that the oracle needs no order."""
    task = make_task(sort_screws=False, horizon=200, active_axes=("x", "y"))
    state, derived, memory, _, fields = observed(task)
    pos, tip = state.bodies["screws"].pos_w, derived.tip.pos_w
    distances = np.array([pdist(screws) for screws in pos])
    shank = Rotation.from_quat(state.bodies["screws"].quat_w.reshape(-1, 4)[:, [1, 2, 3, 0]])
    want = {
        "tip_pos_c": tip - CENTER,
        "tip_command_offset": derived.command.pos_w - tip,
        "rod_axis_w": derived.tip.rotation_w[:, :, 2],
        "joint_pos": state.robot.joint_pos,
        "joint_vel": state.robot.joint_vel,
        "screw_pos_tip": flat(pos - tip[:, None]),
        "screw_pos_c": flat(pos - CENTER),
        "screw_axis_w": flat(shank.apply([1, 0, 0])),
        "screw_linvel_w": flat(state.bodies["screws"].linvel_w),
        "screw_angvel_w": flat(state.bodies["screws"].angvel_w),
        "pair_distance": distances,
        "min_gap": distances.min(1, keepdims=True) - 0.15,
        "prev_action": memory.action,
        "remaining_time": (1 - np.arange(N) * 30 / 200)[:, None],
    }
    assert fields.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_allclose(fields[name], value, atol=3e-6, err_msg=name)
    assert np.abs(fields["tip_command_offset"]).max() > 1e-3


@pytest.mark.slow
def test_the_final_observation_shows_the_last_clock_at_which_a_policy_acts(make_task, observed):
    """Steps 0 to 150 of 120: an episode acts at 0 to 119, and its end is seen at 119, too."""
    *_, fields = observed(make_task(horizon=120))
    shown = fields["remaining_time"][:, 0]
    np.testing.assert_allclose(shown, [1.0, 0.75, 0.5, 0.25, 1 / 120, 1 / 120], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_renaming_the_screws_leaves_full_as_it_is(make_task, observed, order):
    task = make_task()
    plain = observed(task)[3]
    np.testing.assert_array_equal(observed(task, lambda s: permuted(s, order))[3], plain)


def test_the_closest_pair_comes_first_the_nearer_to_the_tip_in_front(make_task, observed):
    state, derived, _, _, fields = observed(make_task())
    shown = fields["screw_pos_c"].reshape(N, 3, 3) + np.float32(CENTER)
    for pos, tip, got in zip(state.bodies["screws"].pos_w, derived.tip.pos_w, shown, strict=True):
        pairs = [(0, 1), (0, 2), (1, 2)]
        closest = list(pairs[int(np.argmin(pdist(pos)))])
        closest.sort(key=lambda i, pos=pos, tip=tip: np.linalg.norm(pos[i] - tip))
        (last,) = {0, 1, 2} - set(closest)
        np.testing.assert_allclose(got, pos[[*closest, last]], atol=1e-6)


@pytest.mark.slow
def test_every_field_of_a_screw_follows_the_same_order(make_task, observed):
    """Where the sorted positions went, there went the other numbers of the same screw."""
    sort, plain = observed(make_task())[4], observed(make_task(sort_screws=False))[4]
    per_screw = ["screw_pos_tip", "screw_axis_w", "screw_linvel_w", "screw_angvel_w"]
    for row in range(N):
        a, b = (f["screw_pos_c"][row].reshape(3, 3) for f in (sort, plain))
        order = [int(np.argmin(np.linalg.norm(b - x, axis=1))) for x in a]
        assert sorted(order) == [0, 1, 2]
        for name in per_screw:
            want = plain[name][row].reshape(3, 3)[order]
            np.testing.assert_array_equal(sort[name][row].reshape(3, 3), want)


@pytest.mark.slow
def test_prototype19_is_the_nineteen_numbers_of_the_earlier_system(make_task, observed):
    task = make_task(observation="prototype19")
    state, derived, _, obs, _ = observed(task)
    pos = state.bodies["screws"].pos_w
    rpy = Rotation.from_matrix(derived.tip.rotation_w).as_euler("xyz")
    distances = np.array([pdist(screws) for screws in pos])
    assert obs.shape == (N, 19)
    np.testing.assert_allclose(obs[:, 0:3], derived.tip.pos_w, atol=1e-6)
    np.testing.assert_allclose(np.exp(1j * obs[:, 3:6]), np.exp(1j * rpy), atol=1e-5)
    np.testing.assert_allclose(obs[:, 6:15], flat(pos), atol=1e-6)
    np.testing.assert_allclose(obs[:, 15:18], distances, atol=1e-6)
    np.testing.assert_allclose(obs[:, 18], distances.min(1), atol=1e-6)


def test_prototype19_keeps_the_screws_own_order(make_task, observed):
    task = make_task(observation="prototype19")
    plain, renamed = observed(task)[3], observed(task, lambda s: permuted(s, (2, 0, 1)))[3]
    shown = plain[:, 6:15].reshape(N, 3, 3)[:, [2, 0, 1]]
    np.testing.assert_array_equal(renamed[:, 6:15], flat(shown))
