"""The actor-critic: a numpy forward pass, its start, separation of trunks, PopArt."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.common.networks import make_network, rescale_value_head
from screwpush_jax.algorithms.common.normalize import denormalize, std
from screwpush_jax.algorithms.common.types import Moments
from screwpush_jax.algorithms.ppo.config import PPOConfig

CONFIG = PPOConfig(hidden_sizes=(6, 4), init_log_std=-0.7)
NETWORK = make_network(CONFIG, action_size=2)


@functools.cache
def start():
    return jax.jit(NETWORK.init)(jax.random.key(0), {"policy": jnp.zeros((1, 3))})


apply = jax.jit(lambda params, obs: NETWORK.apply(params, {"policy": obs}))


def observations(*shape):
    return jax.random.normal(jax.random.key(1), (*shape, 3))


def forward(trunk, x):
    """The multilayer perceptron in double precision."""
    trunk = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), trunk)
    for name in ("layer0", "layer1"):
        x = x @ trunk[name]["kernel"] + trunk[name]["bias"]
        x = np.where(x > 0, x, np.expm1(x))
    return x @ trunk["head"]["kernel"] + trunk["head"]["bias"]


def shaken(params):
    """Parameters with biases that are not zero."""
    return jax.tree.map(lambda x: x + 0.1, params)


@pytest.mark.slow
def test_the_network_equals_a_numpy_forward_pass():
    params, obs = shaken(start()), observations(7)
    distribution, value = apply(params, obs)
    trunks = params["params"]
    expected = forward(trunks["actor"], np.asarray(obs))
    np.testing.assert_allclose(distribution.mean, expected, rtol=1e-4, atol=1e-5)
    expected = forward(trunks["critic"], np.asarray(obs))[:, 0]
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_any_leading_shape_goes_through():
    distribution, value = apply(start(), observations(5, 4))
    assert distribution.mean.shape == distribution.log_std.shape == (5, 4, 2)
    assert value.shape == (5, 4)


@pytest.mark.slow
def test_the_standard_deviation_starts_as_configured_whatever_is_observed():
    distribution, _ = apply(start(), 100.0 * observations(9))
    np.testing.assert_allclose(distribution.log_std, np.full((9, 2), -0.7), rtol=1e-6)


@pytest.mark.slow
def test_kernels_start_orthogonal_at_their_scale():
    trunks = start()["params"]
    scales = {"actor": 0.01, "critic": 1.0}
    for name, scale in scales.items():
        head, hidden = trunks[name]["head"]["kernel"], trunks[name]["layer1"]["kernel"]
        size = head.shape[1]
        np.testing.assert_allclose(head.T @ head, scale**2 * np.eye(size), atol=1e-6)
        np.testing.assert_allclose(hidden.T @ hidden, 2.0 * np.eye(4), atol=1e-5)


@pytest.mark.slow
def test_a_fresh_policy_hardly_moves():
    distribution, _ = apply(start(), observations(50))
    assert jnp.max(jnp.abs(distribution.mean)) < 0.1


@pytest.mark.slow
def test_the_trunks_share_no_parameter():
    obs, params = observations(8), shaken(start())

    def gradient(output):
        return jax.jit(jax.grad(lambda p: jnp.sum(output(apply(p, obs)))))(params)["params"]

    by_value = gradient(lambda out: out[1])
    by_mean = gradient(lambda out: out[0].mean)
    assert not any(np.any(x) for x in jax.tree.leaves(by_value["actor"]))
    assert not any(np.any(x) for x in jax.tree.leaves(by_mean["critic"]))
    assert all(np.any(x) for x in jax.tree.leaves(by_value["critic"]))
    assert all(np.any(x) for x in jax.tree.leaves(by_mean["actor"]))


def test_rescaling_the_head_maps_the_value_and_leaves_the_actor_alone():
    params, obs = shaken(start()), observations(7)
    old_distribution, old_value = apply(params, obs)
    rescaled = rescale_value_head(params, jnp.float32(2.5), jnp.float32(-0.75))
    new_distribution, new_value = apply(rescaled, obs)
    np.testing.assert_allclose(new_value, 2.5 * old_value - 0.75, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(new_distribution.mean, old_distribution.mean)
    assert jax.tree.structure(rescaled) == jax.tree.structure(params)


def test_new_moments_leave_the_predicted_value_as_it_was():
    params, obs = shaken(start()), observations(7)
    old = Moments(jnp.float32(3.0), jnp.float32(4.0), jnp.float32(10))
    new = Moments(jnp.float32(-5.0), jnp.float32(0.5), jnp.float32(20))
    shift = (old.mean - new.mean) / std(new)
    rescaled = rescale_value_head(params, std(old) / std(new), shift)
    before = denormalize(old, apply(params, obs)[1])
    after = denormalize(new, apply(rescaled, obs)[1])
    np.testing.assert_allclose(after, before, rtol=1e-5)
