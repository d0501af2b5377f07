"""The diagonal Gaussian against scipy and against its own draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from screwpush_jax.algorithms.common.distribution import DiagGaussian

MEAN = np.array([[0.5, -2.0, 0.0], [3.0, 0.1, -0.2]], np.float32)
LOG_STD = np.array([[-1.0, 0.0, 0.7], [0.3, -2.0, 1.0]], np.float32)
ACTION = np.array([[0.3, -1.0, 2.0], [2.0, 0.0, -4.0]], np.float32)


def gaussian():
    return DiagGaussian(jnp.asarray(MEAN), jnp.asarray(LOG_STD))


@pytest.mark.slow
def test_log_prob_is_the_sum_of_scipys_over_the_axes():
    expected = stats.norm.logpdf(ACTION, MEAN, np.exp(LOG_STD)).sum(-1)
    np.testing.assert_allclose(gaussian().log_prob(jnp.asarray(ACTION)), expected, rtol=1e-5)


def test_entropy_is_the_sum_of_scipys_over_the_axes():
    expected = stats.norm.entropy(MEAN, np.exp(LOG_STD)).sum(-1)
    np.testing.assert_allclose(gaussian().entropy(), expected, rtol=1e-5)


@pytest.mark.slow
def test_draws_have_the_moments_they_claim_and_independent_axes():
    count = 40_000
    keys = jax.random.split(jax.random.key(0), count)
    draws = np.asarray(jax.vmap(gaussian().sample)(keys), np.float64)
    std = np.exp(LOG_STD)
    within = 5 * std / np.sqrt(count)  # five standard errors
    assert np.all(np.abs(draws.mean(0) - MEAN) < within)
    assert np.all(np.abs(draws.std(0) - std) < within)
    correlation = np.corrcoef(draws.reshape(count, -1).T)
    np.testing.assert_allclose(correlation, np.eye(6), atol=5 / np.sqrt(count))


@pytest.mark.slow
def test_the_same_key_gives_the_same_draw_and_another_key_another():
    one, again, other = (gaussian().sample(jax.random.key(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.any(one == other)
