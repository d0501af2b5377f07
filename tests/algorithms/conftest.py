"""Shared by the tests of the learner: oracles, tiny configurations, rollouts, devices."""

import contextlib
import functools
import warnings

import jax
import jax.numpy as jnp
import optax
import pytest

from screwpush_jax.algorithms.common.acting import choose_action, predict_value
from screwpush_jax.algorithms.common.networks import make_network
from screwpush_jax.algorithms.common.types import AXIS, Rollout
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.algorithms.ppo.update import init_learner, update

OBS, ACTION = 3, 2
SIZES = {"policy": OBS}


@contextlib.contextmanager
def foreign_code():
    """Other people's code is not held to our strict promotion."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(autouse=True)
def adam_may_promote(monkeypatch):
    """optax 0.2.8 raises a float to an int32 step count; all around it stays strict."""
    original = optax.scale_by_adam

    def scale_by_adam(**options) -> optax.GradientTransformation:
        adam = original(**options)

        def step(*args):
            with foreign_code():
                return adam.update(*args)

        return optax.GradientTransformation(adam.init, step)

    monkeypatch.setattr(optax, "scale_by_adam", scale_by_adam)


@pytest.fixture(name="foreign_code")
def foreign_code_fixture():
    return foreign_code


@pytest.fixture(scope="session")
def rlax():
    """DeepMind's library; importing it warns."""
    with warnings.catch_warnings(), foreign_code():
        warnings.simplefilter("ignore")
        return pytest.importorskip("rlax")


@pytest.fixture(scope="session")
def config() -> PPOConfig:
    return PPOConfig(hidden_sizes=(5,), num_steps=4, num_epochs=1, num_minibatches=1)


@pytest.fixture(scope="session")
def network(config):
    return make_network(config, ACTION)


@pytest.fixture(scope="session")
def learner(config):
    """A learner whose network is not at its special start and whose moments are not 0 and 1."""
    return jax.jit(lambda key: _well_used(init_learner(config, SIZES, ACTION, key)))(
        jax.random.key(3)
    )


def _well_used(learner):
    leaves, tree = jax.tree.flatten(learner.policy.params)
    keys = jax.random.split(jax.random.key(4), len(leaves))
    noise = [x + 0.3 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    policy = learner.policy
    obs_moments = policy.obs_moments["policy"].replace(
        mean=jnp.array([1.0, -2.0, 0.5]), var=jnp.array([4.0, 0.25, 1.0]), count=jnp.float32(100)
    )
    value_moments = policy.value_moments.replace(
        mean=jnp.float32(3.0), var=jnp.float32(4.0), count=jnp.float32(50)
    )
    params = jax.tree.unflatten(tree, noise)
    return learner.replace(
        policy=policy.replace(
            params=params, obs_moments={"policy": obs_moments}, value_moments=value_moments
        )
    )


@pytest.fixture
def act():
    return _act


@functools.partial(jax.jit, static_argnames=("config", "num_envs"))
def _act(config, policy, key, num_envs=6) -> Rollout:
    """What `policy` does on random observations; every kind of ending occurs."""
    network = make_network(config, ACTION)
    obs_key, act_key, end_key, reward_key = jax.random.split(key, 4)
    shape = (config.num_steps, num_envs)
    obs = {"policy": 1.0 + 2.0 * jax.random.normal(obs_key, (*shape, OBS))}
    action, log_prob = choose_action(network, policy, obs, act_key)
    ending = jax.random.uniform(end_key, shape)
    reward, next_value = jax.random.normal(reward_key, (2, *shape))
    by_env = jnp.broadcast_to(jnp.arange(num_envs, dtype=jnp.float32), shape)
    return Rollout(
        obs=obs,
        action=action,
        records={
            "log_prob": log_prob,
            "value": predict_value(network, policy, obs),
            "next_value": next_value,
        },
        reward=reward + by_env,  # environments differ, hence so do shards
        terminated=ending < 0.2,
        truncated=(ending > 0.15) & (ending < 0.35),
    )


@pytest.fixture
def update_on():
    return _update_on


def _update_on(config, learner, rollout, num_shards=1, num_iterations=10):
    """`update` with the environments dealt to `num_shards` devices; every output per device."""

    def deal(x):
        return jnp.stack(jnp.split(x, num_shards, axis=1))

    return _compiled_update(config, num_iterations)(learner, jax.tree.map(deal, rollout))


@functools.cache
def _compiled_update(config, num_iterations):
    function = functools.partial(update, config, num_iterations)
    mapped = jax.vmap(function, in_axes=(None, 0), axis_name=AXIS)
    return jax.jit(mapped, compiler_options={"xla_backend_optimization_level": 0})
