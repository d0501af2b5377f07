"""The start states of `goal`: those of the screws, less the ones in which the marked one is near."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.tasks.task import StartsError

CENTER, GOAL = np.array([-0.75, 0.0]), np.array([-0.6, 0.0])
JUST_BELOW, JUST_ABOVE = 1 - 1e-3, 1 + 1e-3


@pytest.fixture(scope="module")
def found(sim, make_goal, jit):
    return make_goal().starts(sim, 40, 0, jit)


@pytest.mark.slow
def test_the_marked_screw_begins_farther_than_a_tenth_of_a_metre_from_the_disc(found):
    pos = np.asarray(found.state.bodies["screws"].pos_w)
    distance = np.linalg.norm(pos[:, :, :2] - GOAL, axis=-1)
    assert distance[:, 0].min() > 0.1
    assert distance[:, 1:].min() < 0.1, "the others may begin there"


def test_every_screw_rests_on_the_table_in_the_inner_area(found):
    screws = jax.tree.map(np.asarray, found.state.bodies["screws"])
    assert screws.pos_w.shape == (40, 3, 3)
    assert np.linalg.norm(screws.linvel_w, axis=-1).max() < 0.001
    assert np.linalg.norm(screws.pos_w[..., :2] - CENTER, axis=-1).max() < 0.12
    assert 0.005 < screws.pos_w[..., 2].min() < screws.pos_w[..., 2].max() < 0.025


def test_how_far_apart_the_screws_lie_is_no_rule_of_this_task(found, make_goal, make_task):
    state = jax.tree.map(np.asarray, found.state)
    assert all(kept.all() for kept in make_goal().start_rules(state).values())
    tight = make_task().start_rules(state)
    assert not np.all(tight["jumble_all_pairs"] & tight["jumble_closest_pair"])


@pytest.mark.parametrize("direction", [(-1, 0), (-0.8, 0.6), (-0.8, -0.6)])
def test_the_rule_is_about_the_marked_screw_alone(make_goal, state_at, direction):
    for factor, kept in ((JUST_BELOW, False), (JUST_ABOVE, True)):
        screws = np.tile([-0.65, 0.0, 0.007], (3, 1))  # the others are nearer
        screws[0, :2] = GOAL + 0.1 * factor * np.array(direction)
        rules = make_goal().start_rules(jax.tree.map(np.asarray, state_at([screws])))
        assert {name: bool(flags[0]) for name, flags in rules.items()} == {
            "jumble_speed_m_s": True,
            "jumble_radius_m": True,
            "jumble_height_m": True,
            "start_distance_m": kept,
        }


@pytest.mark.slow
def test_a_hopeless_distance_is_an_error_that_names_the_rule(make_goal, sim, jit):
    task = make_goal(start_distance_m=0.2699, settle_s=0.05, jumble_speed_m_s=9.0)
    with pytest.raises(StartsError, match=r"only 0 of 304 .*env\.start_distance_m 100%"):
        task.starts(sim, 4096, 0, jit)


def test_a_run_s_start_states_depend_on_the_disc(make_goal):
    fields = set(make_goal().config.FIXED_FIELDS)
    assert {"goal_pos_m", "start_distance_m", "jumble_radius_m"} <= fields
    assert {name.split(".")[0] for name in fields} <= {
        field.name for field in dataclasses.fields(make_goal().config)
    }


def test_shapes_alone_are_known_without_any_start(make_goal, found):
    shapes = make_goal().abstract_starts(40)
    jax.tree.map(lambda a, b: np.testing.assert_equal((a.shape, a.dtype), (b.shape, b.dtype)),
                 shapes, found)  # fmt: skip


def test_episodes_begin_as_the_start_states_say(make_goal, found):
    rows = jnp.array([[3, 0], [5, 39]])
    derived, memory = jax.jit(make_goal().reset)(found, rows, jax.random.key(0))
    pos = np.asarray(found.state.bodies["screws"].pos_w)[np.array(rows[0])]
    np.testing.assert_array_equal(derived.state.bodies["screws"].pos_w, pos)
    progress = -np.linalg.norm(pos[:, 0, :2] - GOAL, axis=-1) / 0.1
    np.testing.assert_allclose(memory.potential["progress"], progress, rtol=1e-5)


# --- the configuration --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"goal_pos_m": (-0.45, 0.3), "start_distance_m": 0.4},
        {"goal_radius_m": 0.1},
        {"start_distance_m": 0.05},
        {"start_distance_m": 0.2699},
    ],
)
def test_a_disc_in_the_area_that_a_start_can_be_far_from_is_taken(make_goal, changes):
    make_goal(**changes).config.check()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"goal_pos_m": (-0.449, 0.0)}, r"^goal_pos_m -0.449 0; valid: within 0.3 .*-0.75 0 in x"),
        ({"goal_pos_m": (-0.75, -0.301)}, "^goal_pos_m -0.75 -0.301; valid: within 0.3 "),
        (
            {"goal_radius_m": 0.21, "start_distance_m": 0.25},
            "^goal_pos_m -0.6 0; valid: within 0.14",
        ),
        ({"goal_radius_m": 0.101}, "^start_distance_m 0.1; valid: from goal_radius_m, 0.101, "),
        ({"start_distance_m": 0.27}, "^start_distance_m 0.27; valid: .*to less than 0.27,"),
        ({"hold_steps": 301}, "^hold_steps 301; valid: at most horizon"),
    ],
)
def test_a_disc_that_cannot_be_is_refused(make_goal, changes, said):
    with pytest.raises(ValueError, match=said):
        make_goal(**changes).config.check()
