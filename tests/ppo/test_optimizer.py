"""The learning rate's schedules, and Adam with a clipped gradient against numpy."""

import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.ppo.optimizer import make_optimizer, next_learning_rate
from screwpush_jax.ppo.types import PPOConfig

ADAPTIVE = PPOConfig(target_kl=0.01, learning_rate_range=(1e-4, 1e-2))


def next_rate(config, rate, kl, iteration=0, num_iterations=10):
    args = (jnp.float32(rate), jnp.float32(kl), jnp.int32(iteration), num_iterations)
    return float(next_learning_rate(config, *args))


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
    assert next_rate(ADAPTIVE, 1e-3, kl) == pytest.approx(expected, rel=1e-5)


def test_adaptive_stays_within_its_range():
    assert next_rate(ADAPTIVE, 9e-3, kl=0.0) == pytest.approx(1e-2)
    assert next_rate(ADAPTIVE, 1.1e-4, kl=1.0) == pytest.approx(1e-4)
    assert next_rate(ADAPTIVE, 1.1e-4, kl=np.nan) == pytest.approx(1e-4)


@pytest.mark.parametrize(("iteration", "left"), [(0, 0.9), (4, 0.5), (9, 0.0), (20, 0.0)])
def test_linear_falls_to_zero_at_the_last_iteration_whatever_the_divergence(iteration, left):
    config = PPOConfig(schedule="linear", learning_rate=2e-3)
    rate = next_rate(config, 0.123, kl=99.0, iteration=iteration)
    assert rate == pytest.approx(2e-3 * left, abs=1e-9)


@pytest.mark.parametrize("kl", [0.0, 99.0, np.nan])
def test_constant_changes_nothing(kl):
    config = PPOConfig(schedule="constant")
    assert next_rate(config, 0.123, kl) == pytest.approx(0.123)


def numpy_adam(gradients, max_norm):
    """Kingma and Ba 2015, algorithm 1, without the learning rate, after clipping the norm."""
    m = v = np.zeros_like(gradients[0])
    for step, gradient in enumerate(gradients, start=1):
        norm = np.sqrt(np.sum(gradient**2))
        gradient = gradient * min(1.0, max_norm / norm)
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        yield m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-5)


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
