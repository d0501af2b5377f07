"""Reward terms against values worked out by hand; signs above all."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.tasks.screws.kinematics import TipPose
from screwpush_jax.tasks.screws.reward import Outcome
from screwpush_jax.tasks.screws.types import Derived
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.separate.reward import RewardWeights, potentials, reward_terms
from screwpush_sim.assets.arm_with_bolts import make_scene
from screwpush_sim.state import zero_state

CONFIG = SeparateConfig()
A, B, C = (-0.75, 0.0, 0.0), (-0.69, 0.0, 0.0), (-0.75, 0.08, 0.0)  # 0.06, 0.08 and 0.10 apart
TIP = (-0.72, 0.0, 0.1)  # above the middle of A and B, the closest pair

HANGING = TipPose(jnp.array(TIP), jnp.diag(jnp.array([-1.0, 1.0, -1.0])))
STILL = jax.tree.map(lambda leaf: leaf[0], zero_state(make_scene(CONFIG.scene), 1))


@pytest.fixture(scope="module")
def potential(state_at):
    compiled = jax.jit(lambda state, tip: potentials(CONFIG, state, tip))

    def of(screws, tip=TIP) -> dict[str, float]:
        one = jax.tree.map(lambda leaf: leaf[0], state_at([screws]))
        return {name: float(v) for name, v in compiled(one, jnp.array(tip)).items()}

    return of


def terms(before=None, after=None, **facts):
    """Raw terms of a step in which nothing happened but what is said; the rod hangs straight down."""
    still = dict.fromkeys(potentials(CONFIG, STILL, jnp.array(TIP)), 0.0)
    usual = {
        "derived": Derived(STILL, HANGING, HANGING),
        "success": jnp.array(False),
        "met": jnp.array(False),
        "out": jnp.array(False),
        "action": jnp.zeros(3),
        "prev_action": jnp.zeros(3),
    }
    raw = reward_terms(before or still, after or still, Outcome(**(usual | facts)))
    return {name: float(value) for name, value in raw.items()}


def test_potentials_of_a_triangle(potential):
    """Gaps 0.4, 0.5333, 0.6667 of D: mean 0.5333 plus minimum 0.4; the tip is 0.1 m away."""
    assert potential([A, B, C]) == pytest.approx({"progress": 0.93333, "reach": -1.0}, abs=1e-4)


def test_distances_count_up_to_115_percent_of_d(potential):
    far = [(-1.0, 0, 0), (-0.5, 0, 0), (-0.75, 0.3, 0)]
    assert potential(far)["progress"] == pytest.approx(2 * 1.15, abs=1e-5)


@pytest.mark.parametrize("pair", [0, 1, 2])
def test_each_pair_counts_up_to_115_percent_of_d_and_no_farther(potential, pair):
    """Sides in units of D; the mean of the clipped gaps plus the smallest."""
    for side, gap in ((1.15 * 0.999, 1.15 * 0.999), (1.15 * 1.001, 1.15), (1.5, 1.15)):
        sides = np.array([1.0, 1.0, 1.0])
        sides[pair] = side
        a, b, c = 0.15 * sides
        x = (a**2 + b**2 - c**2) / (2 * a)
        screws = [(-0.75, 0, 0), (a - 0.75, 0, 0), (x - 0.75, np.sqrt(b**2 - x**2), 0)]
        want = (2 + gap) / 3 + 1.0
        assert potential(screws)["progress"] == pytest.approx(want, abs=2e-5)


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2)])
def test_reach_is_the_distance_to_the_middle_of_the_closest_pair(potential, pair):
    """Each pair in its turn closest by a thousandth; the tip 0.1 m above its middle."""
    screws = np.array([[-0.75, 0, 0], [-0.65, 0, 0], [-0.7, 0.0866, 0]])
    far = ({0, 1, 2} - set(pair)).pop()
    middle = screws[list(pair)].mean(0)
    screws[far] += 1e-3 * (screws[far] - middle)
    tip = (middle[0], middle[1], 0.1)
    assert potential(screws, tip=tip)["reach"] == pytest.approx(-1.0, abs=1e-5)


@pytest.mark.slow
def test_moving_the_closest_pair_apart_is_progress(potential):
    farther = (-0.66, 0.0, 0.0)  # from 0.06 to 0.09 from A
    raw = terms(potential([A, B, C]), potential([A, farther, C]))
    # gaps .6, .5333, sqrt(.09^2 + .08^2) / .15 = .8028: mean .6454 plus minimum .5333
    assert raw["progress"] == pytest.approx(1.17872 - 0.93333, abs=1e-4)
    assert terms(potential([A, farther, C]), potential([A, B, C]))["progress"] < 0


def test_moving_the_tip_towards_the_closest_pair_is_reach(potential):
    raw = terms(potential([A, B, C]), potential([A, B, C], tip=(-0.72, 0.0, 0.04)))
    assert raw["reach"] == pytest.approx(0.6, abs=1e-4)
    assert raw["progress"] == pytest.approx(0.0, abs=1e-6)


def test_reach_looks_at_the_closest_pair_whichever_it_is(potential):
    screws = [(-0.75, 0.2, 0.0), (-0.75, -0.1, 0.0), (-0.75, -0.16, 0.0)]
    assert potential(screws, tip=(-0.75, -0.13, 0.05))["reach"] == pytest.approx(-0.5, abs=1e-4)


@pytest.mark.parametrize(
    ("facts", "name", "value"),
    [
        ({"success": jnp.array(True)}, "success", 1.0),
        ({"met": jnp.array(True)}, "holding", 1.0),
        ({"out": jnp.array(True)}, "failure", 1.0),
        ({"action": jnp.array([1.0, 0, -0.5]), "prev_action": jnp.array([0.5, 0, 0.5])},
         "action_rate", 1.25),
        ({}, "time", 1.0),
    ],
)  # fmt: skip
def test_each_event_is_a_term_of_its_own(facts, name, value):
    assert terms(**facts) == pytest.approx(terms() | {name: value})


def test_where_nothing_happens_only_time_counts():
    assert {name for name, value in terms().items() if value} == {"time"}


def test_terms_and_weights_have_the_same_names(make_task):
    weights = {field.name for field in dataclasses.fields(RewardWeights)}
    assert terms().keys() == weights
    assert set(make_task().reward_keys) == weights


def test_the_good_is_rewarded_and_the_bad_is_not():
    weights = RewardWeights()
    assert min(weights.progress, weights.reach, weights.success, weights.holding) > 0
    assert max(weights.failure, weights.action_rate, weights.time) < 0


@pytest.mark.slow
def test_the_reward_of_a_step_worked_out_by_hand(make_task, state_at, memory_of, potential, step):
    """B pushed 3 cm away and out of rest, the tip at home; action 0.5 after 0 on three axes."""
    task = make_task(active_axes=("x", "y", "z"))
    state = state_at([[A, (-0.66, 0.0, 0.0), C]])
    memory = memory_of(task, state.robot.joint_pos)
    before = potential([A, B, C])
    memory = dataclasses.replace(
        memory,
        potential={name: jnp.array([value]) for name, value in before.items()},
        action=jnp.full((1, 3), 0.5),
    )
    result, after = step(task, memory, state, jnp.array([False]))
    # home tip (-0.75, 0, 0.03), now closest A and C: middle (-0.75, 0.04, 0), 0.05 m away
    want = {
        "progress": 20 * (1.17872 - 0.93333),
        "reach": 2 * (-0.5 + 1.0),
        "success": 0.0,
        "holding": 0.0,
        "failure": 0.0,
        "action_rate": -0.002 * 0.75,
        "time": -0.02,
    }
    got = {name: float(value[0]) for name, value in result.terms.items()}
    assert got == pytest.approx(want, abs=5e-3)
    assert float(result.reward[0]) == pytest.approx(sum(got.values()), rel=1e-5)
    assert float(after.potential["progress"][0]) == pytest.approx(1.17872, abs=1e-4)


@pytest.mark.slow
def test_potential_terms_telescope_over_any_trajectory(make_task, random_state, memory_of, step):
    """What a loop of states earns is nothing, whatever lies between."""
    task = make_task()
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


def test_weights_without_a_term_are_refused(make_task, random_state, memory_of, step):
    @dataclasses.dataclass(frozen=True)
    class More(RewardWeights):
        charm: float = 1.0

    task = make_task(reward=More())
    state = random_state(0, 1)
    memory = memory_of(task, state.robot.joint_pos)
    with pytest.raises(ValueError, match="charm"):
        step(task, memory, state, jnp.array([False]))
