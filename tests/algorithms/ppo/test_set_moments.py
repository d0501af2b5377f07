"""What an update takes into the normaliser of a set's members: each that was there, whatever its place."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.common.set_encoder import SetEncoderConfig
from screwpush_jax.algorithms.common.types import AXIS, Rollout
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig

pytestmark = pytest.mark.slow
T, N, G, B, F = 4, 6, 2, 3, 4


def test_members_share_moments_and_empty_places_count_in_none():
    encoder = SetEncoderConfig(kind="attention", hidden_sizes=(4,), num_heads=2)
    config = PPOConfig(
        hidden_sizes=(4,), num_steps=T, num_epochs=1, num_minibatches=2, set_encoder=encoder
    )
    sets = {"policy": SimpleNamespace(start=G, num_members=B, size=F + 1)}
    algorithm = PPO(config, {"policy": G + B * (F + 1)}, 1, sets)
    rng = np.random.default_rng(0)
    members = rng.normal(2.0, 3.0, (T, N, B, F + 1)).astype(np.float32)
    there = rng.random((T, N, B)) < 0.6
    members[..., 0] = there
    rest = rng.normal(-1.0, 0.5, (T, N, G)).astype(np.float32)
    obs = np.concatenate([rest, members.reshape(T, N, -1)], axis=-1)
    learner = jax.jit(algorithm.init)(jax.random.key(0))
    noise = jnp.asarray(rng.normal(size=(4, T, N)), jnp.float32)
    records = dict(zip(("log_prob", "value", "next_value"), noise, strict=False))
    ended = jnp.zeros((T, N), bool)
    rollout = Rollout(
        {"policy": jnp.asarray(obs)}, noise[0][..., None], records, noise[3], ended, ended
    )
    update = jax.vmap(functools.partial(algorithm.update, 10), (None, 0), axis_name=AXIS)
    after, metrics = jax.jit(update)(learner, jax.tree.map(lambda x: x[None], rollout))
    moments = after.policy.obs_moments
    seen = members[there][:, 1:].astype(np.float64)
    for got, want in ((moments["policy.members"], seen), (moments["policy"], rest.reshape(-1, G))):
        np.testing.assert_allclose(got.mean[0], want.mean(0), rtol=1e-4)
        np.testing.assert_allclose(got.var[0], want.var(0), rtol=1e-4)
    assert np.isfinite(metrics["actor/loss"]).all()
    moved = jax.tree.map(lambda a, b: np.abs(a[0] - b).max(), after.policy, learner.policy)
    assert min(jax.tree.leaves(moved.params)) > 0, "every weight learns"
