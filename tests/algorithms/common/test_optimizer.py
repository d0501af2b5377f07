"""The learning rate's schedules, and Adam with a clipped gradient against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.common.optimizer import (
    adapt_learning_rate,
    learning_rate,
    make_optimizer,
)
from screwpush_jax.algorithms.ppo.config import PPOConfig

ADAPTIVE = PPOConfig(target_kl=0.01, learning_rate_range=(1e-4, 1e-2))


def adapted(config, rate, kl):
    return float(adapt_learning_rate(config, jnp.float32(rate), jnp.float32(kl)))


def rate_of(config, iteration, num_iterations, stored=0.123):
    args = (jnp.float32(stored), jnp.int32(iteration), num_iterations)
    return float(jax.jit(learning_rate, static_argnums=(0, 3))(config, *args))


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (0.0, 1.5e-3),
        (0.0049, 1.5e-3),
        (0.0051, 1e-3),
        (0.01, 1e-3),
        (0.0199, 1e-3),
        (0.0201, 1e-3 / 1.5),
        (np.inf, 1e-3 / 1.5),
        (np.nan, 1e-3 / 1.5),
    ],
)
def test_adaptive_keeps_the_divergence_near_its_target(kl, expected):
    assert adapted(ADAPTIVE, 1e-3, kl) == pytest.approx(expected, rel=1e-5)


def test_adaptive_stays_within_its_range():
    assert adapted(ADAPTIVE, 9e-3, kl=0.0) == pytest.approx(1e-2)
    assert adapted(ADAPTIVE, 1.1e-4, kl=1.0) == pytest.approx(1e-4)
    assert adapted(ADAPTIVE, 1.1e-4, kl=np.nan) == pytest.approx(1e-4)


def test_adaptive_uses_what_the_update_before_has_made_of_it():
    assert rate_of(ADAPTIVE, 7, 10, stored=3e-3) == pytest.approx(3e-3)


@pytest.mark.parametrize(
    ("iteration", "num_iterations", "left"),
    [
        (0, 10, 1.0),
        (5, 10, 0.5),
        (9, 10, 0.1),
        (9, 20, 0.55),  # a run of 10 that was made longer after its end
        (10, 10, 0.0),
        (20, 10, 0.0),
        (0, 1, 1.0),
        (999_999, 1_000_000, 1e-6),
        (2**31 - 2, 2**31 - 1, 1 / (2**31 - 1)),
        (2**30, 2**31, 0.5),
        (2**30, 2**32, 0.75),
        (2**31 - 1, 10**15, 1.0),
        (0, 10**400, 1.0),
    ],
)
def test_linear_falls_evenly_from_the_full_rate_at_the_first_update(
    iteration, num_iterations, left
):
    config = PPOConfig(schedule="linear", learning_rate=2e-3)
    rate = rate_of(config, iteration, num_iterations)
    assert rate == pytest.approx(2e-3 * left, rel=1e-5, abs=1e-15)


def test_linear_goes_on_falling_however_long_the_run_is():
    """A rate from a float32 counter would stand still at 2^24 updates and be 0 before the end."""
    config, total = PPOConfig(schedule="linear", learning_rate=2e-3), 2**31 - 1
    for iteration in (2**24, total - 2**20):
        rates = [rate_of(config, iteration + n, total) for n in (0, 1000)]
        expected = [2e-3 * (total - iteration - n) / total for n in (0, 1000)]
        np.testing.assert_allclose(rates, expected, rtol=1e-6)
    last = [rate_of(config, total - n, total) for n in (3, 2, 1)]
    assert last[0] > last[1] > last[2] > 0


def test_constant_is_the_configured_rate_whatever_a_checkpoint_holds():
    config = PPOConfig(schedule="constant", learning_rate=4e-4)
    assert rate_of(config, 7, 10) == pytest.approx(4e-4)


@pytest.mark.parametrize("kl", [0.0, 99.0, np.nan])
@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_other_schedules_do_not_look_at_the_divergence(schedule, kl):
    assert adapted(PPOConfig(schedule=schedule), 0.123, kl) == pytest.approx(0.123)


def numpy_adam(gradients, max_norm):
    """Kingma and Ba 2015, algorithm 1, without the learning rate, after clipping the norm."""
    m = v = np.zeros_like(gradients[0])
    for step, gradient in enumerate(gradients, start=1):
        norm = np.sqrt(np.sum(gradient**2))
        gradient = gradient * min(1.0, max_norm / norm)
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        yield m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-5)


@pytest.mark.slow
def test_the_direction_is_adams_on_the_gradient_clipped_by_its_global_norm():
    optimizer = make_optimizer(PPOConfig(max_grad_norm=0.5))
    # below, above and far above the norm, then so small that Adam's epsilon counts
    gradients = [np.array(g) for g in ([0.1, 0.2, 0.3], [3.0, -4.0, 12.0], [9e3, 1.0, 0.0])]
    gradients = [1e-5 * gradients[0], *gradients]
    state = optimizer.init({"a": jnp.zeros(2), "b": jnp.zeros(1)})
    for gradient, expected in zip(gradients, numpy_adam(gradients, 0.5), strict=True):
        tree = {"a": jnp.float32(gradient[:2]), "b": jnp.float32(gradient[2:])}
        direction, state = optimizer.update(tree, state)
        found = np.concatenate([direction["a"], direction["b"]])
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-6)
