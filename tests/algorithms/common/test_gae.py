"""Generalised advantage estimation against hand-worked tables, a float64 loop and rlax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.common.gae import gae

GAMMA, LAMBDA = 0.5, 0.5
REWARD, VALUE, NEXT_VALUE = [1.0, 2.0, 3.0], [10.0, 20.0, 40.0], [20.0, 40.0, 80.0]


def column(values, dtype=jnp.float32):
    return jnp.asarray(values, dtype)[:, None]


def table(terminated, truncated, next_value=NEXT_VALUE):
    return gae(
        column(REWARD),
        column(VALUE),
        column(next_value),
        column(terminated, bool),
        column(truncated, bool),
        gamma=GAMMA,
        gae_lambda=LAMBDA,
    )


# Without an ending: delta = r + 0.5 v' - v = [1, 2, 3]; advantage_t = delta_t + 0.25 advantage_t+1.
HAND_WORKED = {
    "no ending": ([0, 0, 0], [0, 0, 0], [1.6875, 2.75, 3.0]),
    "terminated: delta_1 = 2 - 20, step 0 goes on": ([0, 1, 0], [0, 0, 0], [-3.5, -18.0, 3.0]),
    "truncated: delta_1 = 2, step 2 is cut off": ([0, 0, 0], [0, 1, 0], [1.5, 2.0, 3.0]),
    "both at once: terminated wins": ([0, 1, 0], [0, 1, 0], [-3.5, -18.0, 3.0]),
    "terminated last": ([0, 0, 1], [0, 0, 0], [-0.8125, -7.25, -37.0]),
    "truncated last is no ending to the table": ([0, 0, 0], [0, 0, 1], [1.6875, 2.75, 3.0]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HAND_WORKED)
def test_advantages_and_returns_equal_the_hand_worked_table(name):
    terminated, truncated, expected = HAND_WORKED[name]
    advantages, returns = table(terminated, truncated)
    np.testing.assert_array_equal(advantages[:, 0], expected)
    np.testing.assert_array_equal(returns[:, 0], np.array(expected) + np.array(VALUE))


def test_a_truncated_step_bootstraps_from_its_own_final_observation_not_the_next_value():
    advantages, _ = table([0, 0, 0], [0, 1, 0], next_value=[20.0, 100.0, 80.0])
    assert advantages[1, 0] == 2.0 + 0.5 * 100.0 - 20.0


def test_a_terminated_step_ignores_even_a_next_value_that_is_not_a_number():
    advantages, _ = table([0, 1, 0], [0, 0, 0], next_value=[20.0, np.nan, 80.0])
    np.testing.assert_array_equal(advantages[:, 0], [-3.5, -18.0, 3.0])


@pytest.mark.parametrize("ending", ["terminated", "truncated"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_own_episode(ending, value):
    """Step 1 ends an episode; step 2 of the next one has a reward that is no number."""
    ends = [0, 1, 0]
    kinds = {"terminated": [0, 0, 0], "truncated": [0, 0, 0]} | {ending: ends}
    args = [column(x, bool) for x in kinds.values()]
    reward = column([*REWARD[:2], value])
    found, _ = gae(reward, column(VALUE), column(NEXT_VALUE), *args, gamma=GAMMA, gae_lambda=LAMBDA)
    expected, _ = table(**kinds)
    np.testing.assert_array_equal(found[:2], expected[:2])
    assert not np.isfinite(found[2, 0])


def test_terminated_and_truncated_neighbours_do_not_touch_each_other():
    kinds = jnp.array([[True, False, False]] * 3)
    wide = [jnp.broadcast_to(column(x), (3, 3)) for x in (REWARD, VALUE, NEXT_VALUE)]
    advantages, _ = gae(*wide, kinds, jnp.roll(kinds, 1, axis=1), gamma=GAMMA, gae_lambda=LAMBDA)
    every_step_ends = [[-9.0, 1.0, 1.6875], [-18.0, 2.0, 2.75], [-37.0, 3.0, 3.0]]
    np.testing.assert_array_equal(advantages, every_step_ends)


def random_inputs(steps=17, envs=9):
    rng = np.random.default_rng(0)
    reward, value, next_value = rng.normal(size=(3, steps, envs)).astype(np.float32)
    terminated, truncated = rng.random((2, steps, envs)) < 0.2
    return reward, value, next_value, terminated, truncated


def slow_gae(reward, value, next_value, terminated, truncated, gamma, gae_lambda):
    """The definition: the sum over later steps of this episode, one environment at a time."""
    steps, envs = reward.shape
    advantages = np.zeros((steps, envs), np.float64)
    for env in range(envs):
        for start in range(steps):
            weight = 1.0
            for t in range(start, steps):
                future = 0.0 if terminated[t, env] else gamma * float(next_value[t, env])
                delta = float(reward[t, env]) + future - float(value[t, env])
                advantages[start, env] += weight * delta
                if terminated[t, env] or truncated[t, env]:
                    break
                weight *= gamma * gae_lambda
    return advantages


@pytest.mark.slow
@pytest.mark.parametrize(("gamma", "gae_lambda"), [(0.99, 0.95), (0.9, 0.3), (1.0, 1.0)])
def test_random_episodes_equal_the_slow_double_precision_sum(gamma, gae_lambda):
    inputs = random_inputs()
    advantages, returns = gae(*map(jnp.asarray, inputs), gamma=gamma, gae_lambda=gae_lambda)
    expected = slow_gae(*inputs, gamma, gae_lambda)
    np.testing.assert_allclose(advantages, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(returns, expected + inputs[1], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_agrees_with_rlax_where_nothing_is_truncated(rlax, foreign_code):
    reward, value, _, terminated, _ = map(jnp.asarray, random_inputs())
    last = jnp.ones((1, value.shape[1]))
    values = jnp.concatenate([value, last])
    never = jnp.zeros_like(terminated)
    mine, _ = gae(reward, value, values[1:], terminated, never, gamma=0.9, gae_lambda=0.8)
    with foreign_code():
        discount = 0.9 * (1.0 - terminated)
        theirs = jax.vmap(
            lambda r, d, v: rlax.truncated_generalized_advantage_estimation(r, d, 0.8, v),
            in_axes=1,
            out_axes=1,
        )(reward, discount, values)
    np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


def test_lambda_zero_is_the_one_step_error():
    reward, value, next_value, terminated, truncated = random_inputs()
    advantages, _ = gae(
        *map(jnp.asarray, (reward, value, next_value, terminated, truncated)),
        gamma=0.9,
        gae_lambda=0.0,
    )
    expected = reward + 0.9 * np.where(terminated, 0.0, next_value) - value
    np.testing.assert_allclose(advantages, expected, rtol=1e-5, atol=1e-6)


def test_lambda_one_returns_are_discounted_rewards_and_do_not_depend_on_the_values():
    reward, value, _, _, _ = random_inputs()
    values = np.concatenate([value, np.full_like(value[:1], 2.0)])
    never = jnp.zeros(reward.shape, bool)
    _, returns = gae(
        *map(jnp.asarray, (reward, value, values[1:])), never, never, gamma=0.9, gae_lambda=1.0
    )
    expected = np.full(reward.shape[1], 2.0)
    for t in reversed(range(len(reward))):
        expected = reward[t] + 0.9 * expected
        np.testing.assert_allclose(returns[t], expected, rtol=1e-4, atol=1e-5)
