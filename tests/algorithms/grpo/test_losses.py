"""The loss against float64 NumPy, and its gradient against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from screwpush_jax.algorithms.common.networks import ActorCritic, make_network
from screwpush_jax.algorithms.grpo.config import GRPOConfig
from screwpush_jax.algorithms.grpo.losses import Minibatch, grpo_loss

M, OBS, ACTION = 40, 3, 2
CONFIG = GRPOConfig(hidden_sizes=(5,), kl_coef=0.3, ent_coef=0.02)
NETWORK = make_network(CONFIG, ACTION)

loss_and_metrics = jax.jit(grpo_loss, static_argnames=("network", "config"))


def columns():
    rng = np.random.default_rng(3)
    return {
        "obs": rng.normal(size=(M, OBS)),
        "action": rng.normal(size=(M, ACTION)),
        "log_prob": rng.normal(-2.0, 0.5, M),
        "reference_log_prob": rng.normal(-2.0, 0.5, M),
        "advantages": rng.normal(size=M),
        "weight": np.where(rng.uniform(size=M) < 0.3, 0.0, 1.4),
    }


def batch_of(arrays, dtype=jnp.float32):
    arrays = {name: jnp.asarray(np.asarray(x, dtype)) for name, x in arrays.items()}
    return Minibatch(**arrays | {"obs": {"policy": arrays["obs"]}})


@pytest.fixture(scope="module")
def params():
    obs = {"policy": jnp.zeros((1, OBS))}
    init = jax.jit(lambda key: NETWORK.init(key, obs, method=ActorCritic.act))(jax.random.key(1))
    rng = np.random.default_rng(4)
    return jax.tree.map(lambda x: x + jnp.float32(0.3 * rng.normal(size=x.shape)), init)


def by_hand(params, arrays, config):
    """The loss and its figures in float64, one sample after the other."""
    tree = jax.tree.map(lambda x: np.asarray(x, np.float64), params)["params"]
    layer, head = tree["actor"]["layer0"], tree["actor"]["head"]
    std, sums = np.exp(tree["log_std"]), dict.fromkeys(("policy", "kl", "old_kl", "clipped"), 0.0)
    for i in range(M):
        hidden = arrays["obs"][i] @ layer["kernel"] + layer["bias"]
        hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))
        mean = hidden @ head["kernel"] + head["bias"]
        z = (arrays["action"][i] - mean) / std
        log_prob = np.sum(-0.5 * z**2 - np.log(std) - 0.5 * np.log(2 * np.pi))
        ratio = np.exp(log_prob - arrays["log_prob"][i])
        bounded = min(max(ratio, 1 - config.clip_eps), 1 + config.clip_eps)
        advantage, weight = arrays["advantages"][i], arrays["weight"][i]
        to_reference = np.exp(arrays["reference_log_prob"][i] - log_prob)
        sums["policy"] += weight * min(ratio * advantage, bounded * advantage)
        sums["kl"] += weight * (to_reference - np.log(to_reference) - 1)
        sums["old_kl"] += weight * (ratio - np.log(ratio) - 1)
        sums["clipped"] += weight * (abs(ratio - 1) > config.clip_eps)
    means = {name: value / M for name, value in sums.items()}
    weight = arrays["weight"].mean()
    entropy = weight * np.sum(np.log(std) + 0.5 * np.log(2 * np.pi * np.e))
    loss = -means["policy"] + config.kl_coef * means["kl"] - config.ent_coef * entropy
    return loss, {
        "actor/loss": -means["policy"],
        "actor/entropy": entropy,
        "actor/approx_kl": means["old_kl"],
        "actor/pg_clipfrac": means["clipped"],
        "actor/std": weight * std.mean(),
        "actor/reference_kl": means["kl"],
    }


@pytest.mark.slow
def test_the_loss_and_its_figures_are_what_numpy_finds(params):
    found, metrics = loss_and_metrics(params, NETWORK, batch_of(columns()), CONFIG)
    expected, figures = by_hand(params, columns(), CONFIG)
    assert float(found) == pytest.approx(expected, rel=1e-4)
    assert {name: float(value) for name, value in metrics.items()} == pytest.approx(
        figures, rel=1e-4
    )
    assert 0.1 < figures["actor/pg_clipfrac"] < 0.9
    assert figures["actor/reference_kl"] > 0.01


@pytest.mark.slow
def test_without_a_weight_there_is_no_reference():
    config = GRPOConfig(hidden_sizes=(5,))
    shapes = jax.eval_shape(
        lambda key: NETWORK.init(key, {"policy": jnp.zeros((1, OBS))}, method=ActorCritic.act),
        jax.random.key(0),
    )
    _, metrics = jax.eval_shape(
        lambda params: grpo_loss(params, NETWORK, batch_of(columns()), config), shapes
    )
    assert "actor/reference_kl" not in metrics


@pytest.mark.slow
def test_a_sample_of_no_weight_changes_neither_loss_nor_gradient(params):
    slope = jax.jit(jax.value_and_grad(grpo_loss, has_aux=True), static_argnums=(1, 3))
    arrays, others = columns(), columns()
    idle = arrays["weight"] == 0
    assert idle.sum() > 5
    for name in ("obs", "action", "log_prob", "advantages"):
        others[name][idle] += 1.0
    one, other = (slope(params, NETWORK, batch_of(x), CONFIG) for x in (arrays, others))
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.slow
def test_the_gradient_is_that_of_finite_differences(params):
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), params)
        flat, unflatten = ravel_pytree(wide)
        batch = batch_of(columns(), np.float64)
        loss = jax.jit(lambda p: grpo_loss(unflatten(p), NETWORK, batch, CONFIG)[0])
        step = 1e-6
        both = jax.vmap(lambda m: loss(flat + m) - loss(flat - m))
        slopes = both(step * jnp.eye(flat.size)) / (2 * step)
        exact = jax.jit(jax.grad(loss))(flat)
        assert exact.dtype == np.float64
        np.testing.assert_allclose(exact, slopes, rtol=1e-5, atol=1e-8)
        assert np.count_nonzero(exact) == flat.size
