"""The observation `set` against a numpy oracle: the table, the screws, their symmetry."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from scipy.spatial.transform import Rotation

N = 6
CENTER = np.array([-0.75, 0.0, 0.0])


@pytest.mark.parametrize("screws", [2, 3, 8])
def test_the_table_has_all_else_and_one_screw_and_knows_no_number_of_them(make_task, screws):
    task = make_task(screws, observation="set")
    (one,) = task.obs_sets.values()
    assert task.obs_layout == make_task(4, observation="set").obs_layout
    assert task.obs_layout[-1].stop == one.start + one.size
    stops = [field.stop for field in task.obs_layout]
    assert [field.start for field in task.obs_layout] == [0, *stops[:-1]]
    assert all(field.unit and field.stop > field.start for field in task.obs_layout)
    assert task.obs_sizes == {"policy": one.start + screws * one.size}


def test_other_observations_have_no_set(make_task, make_goal):
    for task in (make_task(), make_task(observation="prototype19"), make_goal()):
        assert task.obs_sets == {}


def by_screw(task, obs):
    """`field -> [N, S, ...]` of the screws, `field -> [N, ...]` of all else."""
    (one,) = task.obs_sets.values()
    table = [f for f in task.obs_layout if f.start >= one.start]
    screws = obs[:, one.start :].reshape(N, one.num_members, one.size)
    return {f.name: screws[..., f.start - one.start : f.stop - one.start] for f in table}


@pytest.mark.slow
def test_each_screw_says_what_its_table_says(make_task, observed):
    count = 4
    task = make_task(count, observation="set")
    state, derived, _, obs, _ = observed(task, screws=count)
    screws = state.bodies["screws"]
    shank = Rotation.from_quat(screws.quat_w.reshape(-1, 4)[:, [1, 2, 3, 0]])
    apart = np.array([cdist(pos, pos) + 9 * np.eye(count) for pos in screws.pos_w])
    nearest = apart.argmin(2)
    want = {
        "screw_is_there": np.ones((N, count, 1)),
        "screw_pos_tip": screws.pos_w - derived.tip.pos_w[:, None],
        "screw_pos_c": screws.pos_w - CENTER,
        "screw_axis_w": shank.apply([1, 0, 0]).reshape(N, count, 3),
        "screw_linvel_w": screws.linvel_w,
        "screw_angvel_w": screws.angvel_w,
        "screw_nearest_offset": np.take_along_axis(screws.pos_w, nearest[..., None], 1)
        - screws.pos_w,
        "screw_nearest_gap": apart.min(2)[..., None] - 0.15,
    }
    got = by_screw(task, obs)
    assert got.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, atol=3e-6, err_msg=name)


@pytest.mark.slow
def test_all_else_is_what_full_says_of_it(make_task, observed):
    (_, _, _, obs, fields), full = (
        observed(make_task(observation=kind)) for kind in ("set", "full")
    )
    rest = {name for name in fields if not name.startswith("screw")}
    assert "min_gap" in rest
    assert "pair_distance" not in rest
    for name in rest - {"closest_middle_tip"}:
        np.testing.assert_array_equal(fields[name], full[4][name], err_msg=name)
    for row, pos in enumerate(full[0].bodies["screws"].pos_w):
        first, second = ([0, 0, 1], [1, 2, 2])
        pair = int(np.argmin(pdist(pos)))
        middle = (pos[first[pair]] + pos[second[pair]]) / 2 - full[1].tip.pos_w[row]
        np.testing.assert_allclose(fields["closest_middle_tip"][row], middle, atol=1e-6)
        np.testing.assert_allclose(fields["min_gap"][row], pdist(pos).min() - 0.15, atol=1e-6)
    assert obs.dtype == np.float32


@pytest.mark.slow
def test_renaming_the_screws_renames_the_members_and_nothing_else(make_task, observed):
    task, order = make_task(4, observation="set"), np.array([2, 0, 3, 1])

    def renamed(state):
        changes = {n: leaf[:, order] for n, leaf in vars(state.bodies["screws"]).items()}
        return state.with_bodies("screws", **changes)

    plain, other = (observed(task, change, screws=4)[3] for change in (None, renamed))
    (one,) = task.obs_sets.values()
    np.testing.assert_array_equal(plain[:, : one.start], other[:, : one.start])
    for name, value in by_screw(task, plain).items():
        np.testing.assert_array_equal(value[:, order], by_screw(task, other)[name], err_msg=name)
    assert not jnp.array_equal(plain, other)
