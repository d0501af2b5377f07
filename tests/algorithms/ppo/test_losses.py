"""The losses against hand-worked tables, rlax, exact divergences and finite differences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from screwpush_jax.algorithms.common.clipping import clipped_surrogate, kl_estimate
from screwpush_jax.algorithms.ppo.losses import Minibatch, ppo_loss, value_loss

EPS = 0.2


def surrogate_loss(log_prob, old, advantage, clip_eps):
    return -jnp.mean(clipped_surrogate(log_prob, old, advantage, clip_eps))


def approx_kl(log_prob, old):
    return jnp.mean(kl_estimate(log_prob, old))


def surrogate(ratio, advantage):
    ratio, advantage = jnp.float32(ratio), jnp.float32(advantage)
    old = jnp.full_like(ratio, -1.3)
    return surrogate_loss(old + jnp.log(ratio), old, advantage, EPS)


SURROGATE_TABLE = [
    # ratio, advantage, loss
    (1.5, 2.0, -2.4),  # good and already likelier: bounded at 1.2
    (1.5, -2.0, 3.0),  # bad and likelier: all of it counts
    (0.5, 2.0, -1.0),  # good and less likely: all of it counts
    (0.5, -2.0, 1.6),  # bad and already less likely: bounded at 0.8
    (1.1, 2.0, -2.2),
    (0.9, -2.0, 1.8),
    (1.0, 3.0, -3.0),
]


@pytest.mark.parametrize(("ratio", "advantage", "expected"), SURROGATE_TABLE)
def test_surrogate_equals_the_hand_worked_table(ratio, advantage, expected):
    assert float(surrogate([ratio], [advantage])) == pytest.approx(expected, rel=1e-5)


def test_surrogate_is_the_mean_over_the_minibatch():
    ratio, advantage, losses = zip(*SURROGATE_TABLE, strict=True)
    expected = sum(losses) / len(losses)
    assert float(surrogate(ratio, advantage)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.5, 2.0, False), (1.5, -2.0, True), (0.5, 2.0, True), (0.5, -2.0, False)],
)
def test_a_clipped_sample_gives_no_gradient_and_any_other_does(ratio, advantage, moves):
    slope = jax.grad(lambda r: surrogate(r, [advantage]))(jnp.float32([ratio]))[0]
    assert float(slope) == pytest.approx(-advantage if moves else 0.0, rel=1e-5)


def random_pairs(size=500):
    rng = np.random.default_rng(2)
    log_prob = rng.normal(size=size).astype(np.float32)
    old = log_prob + 0.4 * rng.normal(size=size).astype(np.float32)
    return map(jnp.asarray, (log_prob, old, rng.normal(size=size).astype(np.float32)))


@pytest.mark.slow
def test_surrogate_agrees_with_rlax(rlax, foreign_code):
    log_prob, old, advantage = random_pairs()
    with foreign_code():
        expected = rlax.clipped_surrogate_pg_loss(jnp.exp(log_prob - old), advantage, EPS)
    mine = surrogate_loss(log_prob, old, advantage, EPS)
    assert float(mine) == pytest.approx(float(expected), rel=1e-5)


VALUE_TABLE = [
    # value, old value, return, loss with a clip of 0.5
    (4.0, 3.0, 5.0, 1.125),  # far step towards the return: the clipped 3.5 counts
    (4.0, 3.0, 3.0, 0.5),  # far step away from it: all of it counts
    (3.25, 3.0, 4.0, 0.28125),  # within the clip
    (2.0, 3.0, 1.0, 1.125),  # the same downwards
    (2.0, 3.0, 3.0, 0.5),
]


@pytest.mark.parametrize(("value", "old", "returns", "expected"), VALUE_TABLE)
def test_value_loss_equals_the_hand_worked_table(value, old, returns, expected):
    columns = (jnp.float32([x]) for x in (value, old, returns))
    assert float(value_loss(*columns, 0.5)) == pytest.approx(expected)


def test_value_loss_is_the_mean_over_the_minibatch():
    *columns, losses = zip(*VALUE_TABLE, strict=True)
    expected = sum(losses) / len(losses)
    assert float(value_loss(*map(jnp.float32, columns), 0.5)) == pytest.approx(expected)


loss_and_metrics = jax.jit(ppo_loss, static_argnames=("network", "config"))


def gaussian_log(x, mean, std):
    return -0.5 * ((x - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)


def test_the_divergence_estimate_is_that_of_the_old_policy_from_the_new():
    x = np.random.default_rng(3).normal(size=400_000)
    old, new = gaussian_log(x, 0.0, 1.0), gaussian_log(x, 0.2, 0.7)
    exact = np.log(0.7) + (1.0 + 0.2**2) / (2 * 0.7**2) - 0.5
    estimate = float(approx_kl(jnp.float32(new), jnp.float32(old)))
    assert estimate == pytest.approx(exact, rel=0.02)  # the other direction gives 0.63 of it


def test_the_divergence_of_a_small_step_is_seen_above_rounding():
    x = np.random.default_rng(4).normal(size=400_000)
    shift = 1e-3
    change = jnp.float32(shift * x - shift**2 / 2)  # log ratio of N(shift, 1) to N(0, 1)
    estimate = float(approx_kl(change, jnp.zeros_like(change)))
    assert estimate == pytest.approx(shift**2 / 2, rel=0.05)


def test_the_divergence_estimate_by_hand_and_never_below_zero():
    found = approx_kl(jnp.float32([0.0, np.log(2.0)]), jnp.zeros(2))
    assert float(found) == pytest.approx((1.0 - np.log(2.0)) / 2, rel=1e-5)
    log_prob, old, _ = random_pairs()
    each = jax.vmap(approx_kl)(log_prob[:, None], old[:, None])
    assert jnp.all(each >= 0)


def minibatch(size=40, dtype=np.float32):
    rng = np.random.default_rng(5)
    columns = {
        "obs": rng.normal(size=(size, 3)),
        "action": rng.normal(size=(size, 2)),
        "log_prob": rng.normal(size=size) * 0.5 - 2.5,
        "value": rng.normal(size=size) * 0.5,
        "advantages": rng.normal(size=size),
        "returns": rng.normal(size=size),
    }
    arrays = {name: jnp.asarray(x.astype(dtype)) for name, x in columns.items()}
    return Minibatch(**arrays | {"obs": {"policy": arrays["obs"]}})


def by_hand(network, params, batch, config):
    """Loss and metrics in double precision from what the network puts out."""
    distribution, value = network.apply(params, batch.obs)
    mean, log_std, value = (
        np.asarray(x, np.float64) for x in (distribution.mean, distribution.log_std, value)
    )
    action, old, old_value, advantages, returns = (
        np.asarray(x, np.float64)
        for x in (batch.action, batch.log_prob, batch.value, batch.advantages, batch.returns)
    )
    log_prob = gaussian_log(action, mean, np.exp(log_std)).sum(-1)
    ratio = np.exp(log_prob - old)
    bounded = np.clip(ratio, 1 - config.clip_eps, 1 + config.clip_eps)
    near = np.clip(value, old_value - config.value_clip, old_value + config.value_clip)
    errors = np.maximum((value - returns) ** 2, (near - returns) ** 2)
    return {
        "actor/loss": -np.minimum(ratio * advantages, bounded * advantages).mean(),
        "actor/value_loss": errors.mean() / 2,
        "actor/entropy": (0.5 * np.log(2 * np.pi * np.e) + log_std).sum(-1).mean(),
        "actor/approx_kl": (ratio - 1 - np.log(ratio)).mean(),
        "actor/pg_clipfrac": np.mean(bounded != ratio),
        "actor/value_clip_ratio": np.mean(near != value),
        "actor/std": np.exp(log_std).mean(),
    }


@pytest.mark.slow
def test_the_metrics_are_those_computed_by_hand(network, learner, config):
    params, batch = learner.policy.params, minibatch()
    _, metrics = loss_and_metrics(params, network, batch, config)
    expected = by_hand(network, params, batch, config)
    assert 0 < expected["actor/pg_clipfrac"] < 1
    assert 0 < expected["actor/value_clip_ratio"] < 1
    assert metrics.keys() == expected.keys()
    for name, value in metrics.items():
        assert float(value) == pytest.approx(expected[name], rel=2e-5), name


def test_the_loss_weighs_value_and_entropy_as_configured(network, learner, config):
    config = dataclasses.replace(config, vf_coef=0.7, ent_coef=0.2)
    params, batch = learner.policy.params, minibatch()
    loss, _ = loss_and_metrics(params, network, batch, config)
    parts = by_hand(network, params, batch, config)
    expected = parts["actor/loss"] + 0.7 * parts["actor/value_loss"] - 0.2 * parts["actor/entropy"]
    assert float(loss) == pytest.approx(expected, rel=2e-5)


@pytest.mark.slow
def test_the_gradient_equals_central_differences_in_double_precision(network, learner, config):
    config = dataclasses.replace(config, vf_coef=0.7, ent_coef=0.2)
    with jax.enable_x64(True):
        params = jax.tree.map(
            lambda x: jnp.asarray(np.asarray(x, np.float64)), learner.policy.params
        )
        batch = minibatch(dtype=np.float64)
        flat, unflatten = ravel_pytree(params)
        loss = jax.jit(lambda p: ppo_loss(unflatten(p), network, batch, config)[0])
        step = 1e-6
        moves = step * jnp.eye(flat.size)
        both = jax.vmap(lambda m: loss(flat + m) - loss(flat - m))
        slopes = both(moves) / (2 * step)
        exact = jax.jit(jax.grad(loss))(flat)
        assert exact.dtype == np.float64
        np.testing.assert_allclose(exact, slopes, rtol=1e-5, atol=1e-8)
        assert np.count_nonzero(exact) == flat.size
