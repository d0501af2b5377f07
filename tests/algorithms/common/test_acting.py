"""What a policy does and what its critic expects."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from screwpush_jax.algorithms.common.acting import best_action, choose_action, predict_value


def scaled_by_hand(policy, obs):
    moments = policy.obs_moments["policy"]
    return (np.asarray(obs["policy"]) - np.asarray(moments.mean)) / np.sqrt(np.asarray(moments.var))


def some_obs():
    return {"policy": jax.random.normal(jax.random.key(8), (400, 3))}


@pytest.mark.slow
def test_the_policy_sees_normalised_observations(network, learner):
    obs = some_obs()
    seen = {"policy": jnp.asarray(scaled_by_hand(learner.policy, obs))}
    distribution, _ = network.apply(learner.policy.params, seen)
    found = best_action(network, learner.policy, obs)
    np.testing.assert_allclose(found, distribution.mean, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_value_is_in_units_of_reward(network, learner):
    obs, policy = some_obs(), learner.policy
    _, value = network.apply(policy.params, {"policy": jnp.asarray(scaled_by_hand(policy, obs))})
    expected = np.asarray(value) * 2.0 + 3.0  # the moments of the fixture
    found = predict_value(network, policy, obs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
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
