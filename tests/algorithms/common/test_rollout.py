"""The rollout buffer and acting into it."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from screwpush_jax.algorithms.common.rollout import (
    best_action,
    choose_action,
    init_rollout,
    predict_value,
    record,
)


def step_of(value):
    """What one time step records, every number equal to `value`."""
    step = jax.tree.map(lambda x: x[0], init_rollout(1, 3, obs_size=4, action_size=2))
    return jax.tree.map(lambda x: jnp.full_like(x, value), step)


def test_an_empty_buffer_is_time_first_and_keeps_flags_boolean():
    rollout = init_rollout(5, 3, obs_size=4, action_size=2)
    assert rollout.obs.shape == (5, 3, 4)
    assert rollout.action.shape == (5, 3, 2)
    scalars = (rollout.log_prob, rollout.value, rollout.reward, rollout.next_value)
    flags = (rollout.terminated, rollout.truncated)
    assert all(x.shape == (5, 3) and x.dtype == jnp.float32 for x in scalars)
    assert all(x.shape == (5, 3) and x.dtype == bool for x in flags)


def test_record_writes_its_own_time_and_nothing_else():
    before = jax.tree.map(lambda x: x[None].repeat(5, axis=0), step_of(0))
    after = record(before, jnp.int32(3), step_of(1))
    for leaf in jax.tree.leaves(after):
        written = np.asarray(leaf, np.float32).reshape(5, -1)
        np.testing.assert_array_equal(written.min(1), [0, 0, 0, 1, 0])
        np.testing.assert_array_equal(written.max(1), [0, 0, 0, 1, 0])


def test_record_puts_each_field_where_it_belongs():
    rollout = init_rollout(2, 3, obs_size=4, action_size=2)
    leaves, tree = jax.tree.flatten(step_of(0))
    numbered = [jnp.full_like(x, i) for i, x in enumerate(leaves)]
    after = record(rollout, jnp.int32(1), jax.tree.unflatten(tree, numbered))
    for found, expected in zip(jax.tree.leaves(after), numbered, strict=True):
        np.testing.assert_array_equal(found[1], expected)


def scaled_by_hand(policy, obs):
    moments = policy.obs_moments
    return (np.asarray(obs) - np.asarray(moments.mean)) / np.sqrt(np.asarray(moments.var))


def some_obs():
    return jax.random.normal(jax.random.key(8), (400, 3))


def test_the_policy_sees_normalised_observations(network, learner):
    obs = some_obs()
    distribution, _ = network.apply(
        learner.policy.params, jnp.asarray(scaled_by_hand(learner.policy, obs))
    )
    found = best_action(network, learner.policy, obs)
    np.testing.assert_allclose(found, distribution.mean, rtol=1e-4, atol=1e-5)


def test_the_value_is_in_units_of_reward(network, learner):
    obs, policy = some_obs(), learner.policy
    _, value = network.apply(policy.params, jnp.asarray(scaled_by_hand(policy, obs)))
    expected = np.asarray(value) * 2.0 + 3.0  # the moments of the fixture
    found = predict_value(network, policy, obs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_log_density_is_that_of_the_sampled_action(network, learner):
    obs = some_obs()
    action, log_prob = choose_action(network, learner.policy, obs, jax.random.key(9))
    mean = best_action(network, learner.policy, obs)
    std = np.exp(learner.policy.params["params"]["log_std"])
    expected = stats.norm.logpdf(action, mean, std).sum(-1)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-4, atol=1e-5)


def test_actions_scatter_around_the_best_action_with_the_policys_deviation(network, learner):
    obs = some_obs()
    action, _ = choose_action(network, learner.policy, obs, jax.random.key(9))
    std = np.exp(learner.policy.params["params"]["log_std"])
    z = np.asarray((action - best_action(network, learner.policy, obs)) / std[None])
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01
