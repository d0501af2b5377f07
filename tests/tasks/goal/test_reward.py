"""Reward of `goal` against values worked out by hand; signs above all."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.reward import RewardWeights, potentials

CONFIG = GoalConfig()
MARKED, B, C = (-0.75, 0.0, 0.0), (-0.69, 0.1, 0.0), (-0.75, 0.08, 0.0)
"""The disc is 0.15 m ahead of the marked screw, whose head is 0.043 m ahead of its middle."""
TIP = (-0.737, 0.0, 0.1)  # 0.1 m above the point 0.03 m behind the head


@pytest.fixture(scope="module")
def potential(state_at):
    compiled = jax.jit(lambda state, tip: potentials(CONFIG, state, tip))

    def of(screws, tip=TIP, **bodies) -> dict[str, float]:
        state = state_at([screws])
        state = state.with_bodies("screws", **bodies) if bodies else state
        one = jax.tree.map(lambda leaf: leaf[0], state)
        return {name: float(v) for name, v in compiled(one, jnp.array(tip)).items()}

    return of


def test_potentials_of_a_screw_that_points_at_the_disc(potential):
    assert potential([MARKED, B, C]) == pytest.approx({"progress": -1.5, "reach": -1.0}, abs=1e-5)


@pytest.mark.parametrize(
    ("marked", "progress"),
    [
        ((-0.6, 0.2, 0.0), -2.0),
        ((-0.56, -0.03, 0.0), -0.5),
        ((-0.6 - 0.0401, 0.0, 0.0), -0.401),
        ((-0.6 + 0.0399, 0.0, 0.0), -0.4),
        ((-0.6, 0.0, 0.0), -0.4),
        ((-0.6, 0.2, 0.5), -2.0),
    ],
)
def test_progress_is_the_distance_in_the_plane_down_to_eight_tenths_of_the_radius(
    potential, marked, progress
):
    assert potential([marked, B, C])["progress"] == pytest.approx(progress, abs=1e-5)


def test_the_other_screws_change_no_potential(potential):
    far = [(-0.5, -0.2, 0.0), (-0.9, 0.2, 0.02)]
    assert potential([MARKED, *far]) == pytest.approx(potential([MARKED, B, C]), abs=1e-6)


@pytest.mark.parametrize(
    ("marked", "yaw", "point"),
    [
        (MARKED, 0.0, (-0.737, 0.0)),  # 0.03 m back from the head at -0.707
        (MARKED, np.pi, (-0.823, 0.0)),  # the head at -0.793
        (MARKED, np.pi / 2, (-0.78, 0.043)),  # the head aside: its direction is the screw's
        ((-0.6, -0.2, 0.0), 0.0, (-0.557, -0.23)),  # the disc lies in +y
    ],
)
def test_reach_is_the_distance_to_the_point_behind_the_head(potential, marked, yaw, point):
    quat = np.zeros((1, 3, 4), np.float32)
    quat[..., 0], quat[..., 3] = np.cos(yaw / 2), np.sin(yaw / 2)
    got = potential([marked, B, C], (*point, 0.05), quat_w=jnp.asarray(quat))
    assert got["reach"] == pytest.approx(-0.5, abs=1e-5)
    beside = potential([marked, B, C], (point[0] - 0.12, point[1], 0.05), quat_w=jnp.asarray(quat))
    assert beside["reach"] == pytest.approx(-1.3, abs=1e-5)


def test_potentials_stay_finite_in_the_middle_of_the_disc(potential):
    assert np.isfinite(list(potential([(-0.6, 0.0, 0.0), B, C]).values())).all()


def test_terms_and_weights_have_the_same_names(make_goal):
    weights = {field.name for field in dataclasses.fields(RewardWeights)}
    assert set(make_goal().reward_keys) == weights


def test_the_good_is_rewarded_and_the_bad_is_not():
    weights = RewardWeights()
    assert min(weights.progress, weights.reach, weights.success, weights.holding) > 0
    assert max(weights.failure, weights.action_rate, weights.time) < 0


@pytest.mark.slow
def test_the_reward_of_a_step_worked_out_by_hand(make_goal, state_at, memory_of, step):
    """The marked screw was pushed 3 cm on, the tip is at home; action 0.5 after 0 on three axes."""
    task = make_goal(active_axes=("x", "y", "z"))
    state = state_at([[(-0.72, 0.0, 0.0), B, C]])
    memory = dataclasses.replace(
        memory_of(task, state.robot.joint_pos),
        potential={"progress": jnp.array([-1.5]), "reach": jnp.array([-0.8])},
        action=jnp.full((1, 3), 0.5),
    )
    result, after = step(task, memory, state, jnp.array([False]))
    # home tip (-0.75, 0, 0.03); the head at -0.677, the point behind it at -0.707
    reach = -np.hypot(0.043, 0.03) / 0.1
    want = {
        "progress": 20 * 0.3,
        "reach": 2 * (reach + 0.8),
        "success": 0.0,
        "holding": 0.0,
        "failure": 0.0,
        "action_rate": -0.002 * 0.75,
        "time": -0.02,
    }
    got = {name: float(value[0]) for name, value in result.terms.items()}
    assert got == pytest.approx(want, abs=2e-3)
    assert float(result.reward[0]) == pytest.approx(sum(got.values()), rel=1e-5)
    assert float(after.potential["progress"][0]) == pytest.approx(-1.2, abs=1e-5)
    assert float(result.metrics["goal_distance_m"][0]) == pytest.approx(0.12, abs=1e-6)


@pytest.mark.slow
def test_potential_terms_telescope_over_any_trajectory(make_goal, random_state, memory_of, step):
    """What a loop of states earns is nothing, whatever lies between."""
    task = make_goal()
    states = [random_state(seed, 4) for seed in (0, 1, 2, 3, 0)]
    memory = memory_of(task, states[0].robot.joint_pos)
    _, memory = step(task, memory, states[0], jnp.zeros(4, bool))
    totals = {"progress": np.zeros(4), "reach": np.zeros(4)}
    for state in states[1:]:
        result, memory = step(task, memory, state, jnp.zeros(4, bool))
        totals = {name: total + result.terms[name] for name, total in totals.items()}
        assert max(np.abs(result.terms[name]).max() for name in totals) > 0.1
    for total in totals.values():
        np.testing.assert_allclose(total, np.zeros(4), atol=1e-4)
