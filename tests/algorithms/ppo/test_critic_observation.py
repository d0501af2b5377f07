"""A critic that sees more than its policy: a toy task whose rewards only the critic can foresee."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.common.acting import best_action, predict_value
from screwpush_jax.algorithms.common.networks import make_network
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.compiled import compile_transition, compile_update, place
from screwpush_jax.env import Env
from screwpush_jax.tasks.task import StepResult
from screwpush_jax.transition import init_carry

pytestmark = pytest.mark.slow

N, T, LENGTH = 32, 8, 4
STARTS = jnp.linspace(1.0, 3.0, 64)
CONFIG = PPOConfig(
    num_steps=T, hidden_sizes=(16,), num_epochs=4, num_minibatches=4, learning_rate=3e-3
)


class State(NamedTuple):
    pay: jax.Array  # [N]


class Derived(NamedTuple):
    state: State


class Wages:
    """Four steps, each paid what was drawn at the start, whatever is done. Seen is the time."""

    metrics, score, rows_per_start, baselines = (), "", 1, {}
    reward_keys, action_size, horizon = ("pay",), 1, 100

    def __init__(self, shown: bool):
        self.shown = shown
        self.obs_sizes = {"policy": 1, "critic": 2} if shown else {"policy": 1}

    def reset(self, starts, rows, key):
        derived = Derived(State(starts[rows[0]]))
        return derived, jnp.zeros(rows.shape[1], jnp.int32)

    def derive(self, memory, state):
        return Derived(state)

    def is_invalid(self, state):
        return jnp.isnan(state.pay)

    def step(self, memory, derived, invalid):
        pay, memory = jnp.where(invalid, 0.0, derived.state.pay), memory + 1
        return StepResult(pay, {"pay": pay}, memory >= LENGTH, {}), memory

    def observe(self, memory, derived, time_left, key):
        passed = memory[:, None].astype(jnp.float32)
        seen = {"policy": passed}
        if self.shown:
            seen["critic"] = jnp.concatenate([derived.state.pay[:, None], passed], axis=1)
        return seen

    def act(self, memory, derived, action):
        return action, memory

    def hold(self, memory, derived):
        return jnp.zeros((derived.state.pay.shape[0], 1))


class Trained(NamedTuple):
    algorithm: PPO
    policy: object  # that acted in the last rollout
    rollout: object
    led_to: np.ndarray  # [T, N, 2] pay and steps passed when each step of it ended
    learner: object
    explained: float  # variance, of the last rollout's returns


def train(shown: bool) -> Trained:
    """Forty updates."""
    task = Wages(shown)
    algorithm = PPO(CONFIG, task.obs_sizes, 1)
    env = Env(task, lambda views: State(views["pay"]), lambda state: {"pay": state.pay})
    transition, update = compile_transition(env, algorithm), compile_update(algorithm, 40)
    learner, starts = place((jax.jit(algorithm.init)(jax.random.key(1)), STARTS))
    carry = place(init_carry(task, algorithm, starts, N, jax.random.key(0)))
    pay, policy, led_to, metrics = jnp.full(N, jnp.nan), None, [], {}
    for count in range(40 * T + 1):
        passed = np.array(carry.env.memory) + 1
        led_to = [*led_to[-T + 1 :], np.stack([np.array(pay), passed], axis=-1)]
        _, mask, views, carry = transition(starts, learner.policy, carry=carry, views={"pay": pay})
        pay = jnp.where(mask, views["pay"], pay)
        if count and count % T == 0:
            policy, rollout = jax.tree.map(jnp.array, (learner.policy, carry.rollout))
            learner, metrics = update(learner, carry.rollout, carry.tally)
    explained = float(metrics["actor/explained_variance"])
    return Trained(algorithm, policy, rollout, np.stack(led_to), learner, explained)


@pytest.fixture(scope="module")
def seeing():
    with jax.numpy_dtype_promotion("standard"):  # optax's own arithmetic
        return train(shown=True)


def test_values_are_learned_from_what_only_the_critic_sees(seeing):
    """The returns differ by the pay alone, of which the policy's observation says nothing."""
    with jax.numpy_dtype_promotion("standard"):
        blind = train(shown=False)
    pay_m2 = np.var(np.asarray(STARTS))
    left = LENGTH - np.asarray(blind.rollout.obs["policy"])[..., 0]
    by_pay = np.mean(left**2) * pay_m2
    of_all = by_pay + np.var(left) * np.mean(np.asarray(STARTS)) ** 2
    assert (
        blind.explained < 1 - by_pay / of_all + 0.1
    )  # what the time alone can explain, and chance
    assert seeing.explained > 0.95
    assert "critic" not in blind.rollout.obs
    assert "critic" not in blind.policy.obs_moments


def test_the_rollout_keeps_both_and_the_moments_are_each_ones_own(seeing):
    critic, policy = (np.asarray(seeing.rollout.obs[name]) for name in ("critic", "policy"))
    assert (critic.shape, policy.shape) == ((T, N, 2), (T, N, 1))
    np.testing.assert_array_equal(critic[..., 1:], policy)
    moments = seeing.learner.policy.obs_moments
    np.testing.assert_allclose(moments["critic"].mean, [2.0, 1.5], atol=0.1)
    np.testing.assert_allclose(moments["critic"].var, [1 / 3, 1.25], atol=0.1)
    np.testing.assert_allclose(moments["policy"].mean, [1.5], atol=0.1)


def test_a_step_is_valued_by_what_the_critic_sees_where_it_truly_led(seeing):
    """Also at the end of an episode, where the policy goes on from another start."""
    network = make_network(CONFIG, 1)
    then = {"critic": jnp.asarray(seeing.led_to, jnp.float32), "policy": jnp.zeros((T, N, 1))}
    want = jax.jit(lambda policy: predict_value(network, policy, then))(seeing.policy)
    np.testing.assert_allclose(seeing.rollout.records["next_value"], want, rtol=1e-4, atol=1e-4)
    assert np.asarray(seeing.rollout.terminated).any()


def test_the_policy_stays_blind(seeing):
    network = make_network(CONFIG, 1)
    obs = {"policy": jnp.ones((2, 1)), "critic": jnp.array([[1.0, 1.0], [3.0, 1.0]])}
    action = best_action(network, seeing.learner.policy, obs)
    value = predict_value(network, seeing.learner.policy, obs)
    assert action[0] == action[1]
    assert value[1] - value[0] == pytest.approx((LENGTH - 1) * 2.0, rel=0.2)


@pytest.mark.parametrize("sizes", [{}, {"critic": 2}, {"policy": 2, "camera": 3}])
def test_other_observations_are_refused_by_name(sizes):
    with pytest.raises(ValueError, match="valid: policy, or policy and critic"):
        PPO(CONFIG, sizes, 1)
