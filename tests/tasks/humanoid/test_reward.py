"""Reward of `humanoid` against values worked out by hand or in float64; signs above all."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screwpush_jax.tasks.humanoid.posture import find_posture
from screwpush_sim.assets import humanoid
from screwpush_sim.state import zero_state


@pytest.fixture
def step(make_walker):
    """`(changes of the robot after the step, action, before) -> raw terms`, of one environment; the
    weights are one, so that the terms show themselves."""

    def run(action=None, invalid=False, *, before=(0.0, 0.0), reward=None, **robot):
        task = make_walker()
        ones = dict.fromkeys(task.reward_keys, 1.0) | (reward or {})
        config = dataclasses.replace(
            task.config, reward=dataclasses.replace(task.config.reward, **ones)
        )
        task = dataclasses.replace(task, config=config)
        scene = task.scene()
        names = [joint.name for joint in scene.robot.joints]
        start = zero_state(scene, 1)
        start = start.with_robot(base_pos_w=jnp.array([[*before, 1.1]], jnp.float32))
        derived, memory = task.reset(start, jnp.zeros((1, 1), jnp.int32), jax.random.key(0))
        asked = np.zeros((1, 21), np.float32)
        for name, value in (action or {}).items():
            asked[0, names.index(name)] = value
        _, memory = task.act(memory, derived, jnp.asarray(asked))
        state = start
        for field, value in robot.items():
            if isinstance(value, dict):
                row = np.zeros((1, 21), np.float32)
                for name, number in value.items():
                    row[0, names.index(name)] = number
                value = row[0]
            state = state.with_robot(**{field: jnp.asarray([value], jnp.float32)})
        result, memory = task.step(memory, task.derive(memory, state), jnp.array([invalid]))
        np.testing.assert_allclose(result.reward, sum(result.terms.values()), rtol=1e-6)
        return {name: float(value[0]) for name, value in result.terms.items()}, result, memory

    return run


def turned(yaw=0.0, pitch=0.0):
    return Rotation.from_euler("ZY", [yaw, pitch]).as_quat()[[3, 0, 1, 2]]


def test_terms_of_a_step_straight_ahead(step):
    """2 cm nearer in a sixtieth of a second."""
    terms = step(base_pos_w=(0.02, 0.0, 1.1))[0]
    want = {"progress": 1.2, "alive": 1.0, "upright": 1.0, "heading": 1.0, "action": 0.0}
    want |= {"energy": 0.0, "joint_limits": 0.0, "fall": 0.0}
    assert terms == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize(
    ("before", "after"),
    [((55.3, 2.0), (55.41, 2.02)), ((3.0, -40.0), (3.0, -39.9)), ((0, 0), (-0.05, 0.0))],
)
def test_progress_is_the_approach_to_a_far_target_in_metres_per_second(step, before, after):
    """Against float64: an error of a millimetre per second would be seen."""
    places = np.array([before, after], np.float32).astype(float)
    far, near = np.hypot(1000.0 - places[:, 0], places[:, 1])
    terms = step(before=before, base_pos_w=(*after, 1.1))[0]
    assert terms["progress"] == pytest.approx((far - near) * 60, abs=1e-3)


def test_nearness_is_a_potential():
    """A function of the place alone, beyond the target, too: so no way there and back gains anything."""
    one = jax.tree.map(lambda leaf: leaf[0], zero_state(humanoid.make_scene(), 1).robot)
    for x, y in ((0, 0), (100, 5), (999, 2), (1000, 0.5), (1003, -4)):
        want = 1000 - np.hypot(1000 - x, y)
        robot = dataclasses.replace(one, base_pos_w=jnp.array([x, y, 1.1], jnp.float32))
        assert float(find_posture(robot).nearness_m) == pytest.approx(want, abs=1e-4)


@pytest.mark.parametrize(
    ("pitch", "upright"), [(0.37, 1.0), (0.38, 0.0), (-0.37, 1.0), (-0.38, 0.0), (3.0, 0.0)]
)
def test_upright_is_what_stands_within_22_degrees(step, pitch, upright):
    """cos 0.3764 = 0.93."""
    assert step(base_quat_w=turned(pitch=pitch))[0]["upright"] == upright


@pytest.mark.parametrize("yaw", [0.0, 0.6, -0.6, 0.7, 1.2, 2.0, -3.0])
def test_heading_is_full_within_37_degrees_and_a_cosine_beyond(step, yaw):
    want = 1.0 if np.cos(yaw) > 0.8 else np.cos(yaw) / 0.8
    assert step(base_quat_w=turned(yaw))[0]["heading"] == pytest.approx(want, abs=1e-5)


def test_action_and_energy_count_what_was_asked_and_how_strong_the_joint_is(step):
    action = {
        "abdomen_z": 0.5,
        "left_hip_y": -1.0,
        "right_ankle_x": 7.0,
    }  # the last is clipped to 1
    moving = {"abdomen_z": -4.0, "left_hip_y": -3.0, "right_ankle_x": 6.0}
    terms = step(action, joint_vel=moving)[0]
    assert terms["action"] == pytest.approx(0.25 + 1 + 1)
    want = 0.1 * (0.5 * 4 * 40 + 1 * 3 * 120 + 1 * 6 * 20) / 120
    assert terms["energy"] == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "degrees", "want"),
    [
        ("abdomen_z", 45.0, 40 / 120),
        ("abdomen_z", -45.0, 40 / 120),
        ("abdomen_z", 44.55, 0.5 * 40 / 120),
        ("abdomen_z", 44.0, 0.0),
        ("left_hip_y", 20 + 1.3, 2.0),
    ],
)
def test_a_joint_at_its_limit_costs_by_how_far_it_is_in_the_last_hundredth(
    step, name, degrees, want
):
    terms = step(joint_pos={name: np.deg2rad(degrees)})[0]
    assert terms["joint_limits"] == pytest.approx(want, abs=1e-3)


def test_a_fall_ends_the_episode_and_counts_once(step):
    terms, result, _ = step(base_pos_w=(0.0, 0.0, 0.79))
    assert (terms["fall"], terms["alive"]) == (1.0, 0.0)
    assert bool(result.terminated[0])
    assert bool(result.metrics["fell"][0])
    terms, result, _ = step(base_pos_w=(0.0, 0.0, 0.81))
    assert (terms["fall"], terms["alive"]) == (0.0, 1.0)
    assert not bool(result.terminated[0])


def test_what_blew_up_ends_with_nothing(step):
    terms, result, _ = step(invalid=True, base_pos_w=(5.0, 0.0, 0.5))
    assert set(terms.values()) == {0.0}
    assert bool(result.terminated[0])
    assert not any(bool(result.metrics[name][0]) for name in ("success_once", "fell"))


def test_the_weights_are_the_tasks(make_walker):
    weights = dataclasses.asdict(make_walker().config.reward)
    assert weights == {
        "progress": 1.0,
        "alive": 2.0,
        "upright": 0.1,
        "heading": 0.5,
        "action": -0.01,
        "energy": -0.05,
        "joint_limits": -0.25,
        "fall": -1.0,
    }


def test_a_weight_multiplies_its_term(step):
    terms = step(base_pos_w=(0.02, 0.0, 1.1), reward={"progress": -2.5})[0]
    assert terms["progress"] == pytest.approx(-3.0, abs=1e-5)
