"""Ends, figures and actions of `humanoid`."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.tasks.drawing import BAD, GOOD
from screwpush_jax.tasks.humanoid.baselines import limp
from screwpush_jax.tasks.optional import Exportable
from screwpush_sim.state import zero_state

DT_S = 1 / 60


def begun(task, count=1):
    """Episodes that stand at the origin."""
    starts = zero_state(task.scene(), count)
    rows = jnp.arange(count, dtype=jnp.int32)[None]
    return task.reset(starts, rows, jax.random.key(0))


def walk(task, xs, height=1.1, y=0.0):
    """The last step's result of an episode through these x."""
    derived, memory = begun(task)
    result = None
    for x in xs:
        state = derived.state.with_robot(base_pos_w=jnp.array([[x, y, height]], jnp.float32))
        result, memory = task.step(memory, task.derive(memory, state), jnp.array([False]))
    return {name: np.asarray(value)[0] for name, value in result.metrics.items()}


@pytest.mark.parametrize(("speed", "won"), [(2.99, False), (3.01, True)])
def test_an_episode_that_stands_succeeds_by_its_mean_speed(make_walker, speed, won):
    """Of an uneven run: twice as fast in its second half."""
    way = np.cumsum([2 / 3 * speed * DT_S] * 10 + [4 / 3 * speed * DT_S] * 10)
    figures = walk(make_walker(), way)
    assert figures["success_once"] == won
    assert figures["speed_m_s"] == pytest.approx(speed, rel=1e-4)
    assert figures["distance_m"] == pytest.approx(speed * 20 * DT_S, rel=1e-4)
    assert figures["upright"] == pytest.approx(1.0)
    assert not figures["fell"]


def test_a_fall_is_no_success_however_fast(make_walker):
    figures = walk(make_walker(), [1.0, 2.0], height=0.5)
    assert figures["fell"]
    assert not figures["success_once"]


def test_a_run_across_is_none_to_the_target(make_walker):
    figures = walk(make_walker(), [0.0] * 5, y=3.0)
    assert figures["distance_m"] == pytest.approx(1000 - np.hypot(1000, 3), abs=1e-5)


BLOWN_UP = {
    "a number that is none": {"joint_vel": np.full((1, 21), np.nan)},
    "an infinite place": {"base_pos_w": [[np.inf, 0, 1]]},
    "a fast torso": {"base_linvel_w": [[0, 30.1, 0]]},
    "a fast joint": {"joint_vel": np.full((1, 21), 2e3)},
    "a wild spin": {"base_angvel_w": [[0, 0, 2e3]]},
    "a joint far out": {"joint_pos": np.full((1, 21), 11.0)},
    "no orientation": {"base_quat_w": [[0.1, 0, 0, 0]]},
    "far away": {"base_pos_w": [[0, 2001.0, 1]]},
}


@pytest.mark.parametrize("what", BLOWN_UP)
def test_what_blew_up_is_invalid(make_walker, what):
    task = make_walker()
    state = begun(task)[0].state
    changed = {name: jnp.asarray(v, jnp.float32) for name, v in BLOWN_UP[what].items()}
    assert bool(task.is_invalid(state.with_robot(**changed))[0])
    assert not bool(task.is_invalid(state)[0])


def test_a_wild_force_is_invalid(make_walker):
    task = make_walker()
    state = begun(task)[0].state
    wild = {name: jnp.full((1, 3), jnp.nan) for name in state.contact}
    assert bool(task.is_invalid(dataclasses.replace(state, contact=wild))[0])


def test_an_action_is_a_share_of_each_joints_torque(make_walker):
    task = make_walker()
    derived, memory = begun(task)
    low, high = np.array(task.scene().robot.control_range, np.float32)
    rng = np.random.default_rng(0)
    action = rng.uniform(-1, 1, (1, 21)).astype(np.float32)
    control, after = task.act(memory, derived, jnp.asarray(action))
    np.testing.assert_allclose(control, action * high, rtol=1e-6)
    np.testing.assert_array_equal(after.action, action)
    for wild, want in ((np.inf, high), (-np.inf, low), (7.0, high), (np.nan, 0 * high)):
        control, after = task.act(memory, derived, jnp.full((1, 21), wild, jnp.float32))
        np.testing.assert_allclose(control[0], want)
        assert np.isfinite(after.action).all()


def test_nobody_acts_where_it_is_limp_or_held(make_walker):
    task = make_walker()
    derived, memory = begun(task, 3)
    np.testing.assert_array_equal(task.hold(memory, derived), np.zeros((3, 21)))
    np.testing.assert_array_equal(limp(task, memory, derived, jax.random.key(0)), np.zeros((3, 21)))


def test_the_three_physics_are_one_scenes_and_judging_is_never_coarser(make_walker):
    task = make_walker()
    steps = [task.scene(name).physics for name in ("train", "eval", "reference")]
    assert [one.control_dt_s for one in steps] == pytest.approx([DT_S] * 3)
    assert steps[0].dt_s > steps[1].dt_s > steps[2].dt_s
    assert {one.friction for one in steps} == {1.0}
    assert all(one.decimation >= 2 for one in steps)


def test_a_caption_says_how_fast_and_how_far_and_how_upright(make_walker):
    task = make_walker()
    derived, memory = begun(task)
    turn = np.deg2rad(60) / 2  # about y; then the torso looks to +x still
    state = derived.state.with_robot(
        base_pos_w=jnp.array([[2.0, 0.0, 0.9]]),
        base_quat_w=jnp.array([[np.cos(turn), 0.0, np.sin(turn), 0.0]], jnp.float32),
        base_linvel_w=jnp.array([[1.5, 0.2, 0.0]]),
    )
    said = task.caption(memory, task.derive(memory, state))
    want = {"speed_m_s": 1.5, "distance_m": 2.0, "height_m": 0.9, "upright": 0.5}
    assert {name: float(value[0]) for name, value in said.items()} == pytest.approx(want, rel=1e-5)


def test_a_controller_begins_as_an_episode_does_and_its_axes_are_the_joints_torques(make_walker):
    task = make_walker()
    assert isinstance(task, Exportable)
    derived, memory = begun(task, 2)
    jax.tree.map(np.testing.assert_array_equal, memory, task.begin(derived.state))
    joints = task.scene().robot.joints
    assert [axis.name for axis in task.action_axes] == [joint.name for joint in joints]
    assert [axis.scale for axis in task.action_axes] == [joint.drive.gear_nm for joint in joints]


@pytest.mark.parametrize(("speed", "color"), [(2.9, BAD), (3.1, GOOD)])
def test_a_line_shows_where_it_goes_and_how_fast(make_walker, speed, color):
    task = make_walker()
    derived, memory = begun(task)
    state = derived.state.with_robot(
        base_pos_w=jnp.array([[7.0, 0.0, 1.0]]),
        base_linvel_w=jnp.array([[0.0, speed, 5.0]]),
    )
    (drawing,) = task.draw(memory, task.derive(memory, state))
    (line,), (label,) = drawing.lines, drawing.labels
    np.testing.assert_allclose(line.end_w - line.start_w, [0, speed / 4, 0], rtol=1e-6)
    assert (line.color, line.text, label.text) == (color, f"{speed} / 3 m/s", "7.0 m")
