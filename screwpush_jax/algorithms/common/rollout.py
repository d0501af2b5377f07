"""The rollout buffer and acting into it."""

import jax
import jax.numpy as jnp

from screwpush_jax.algorithms.common.networks import ActorCritic, action_distribution, value
from screwpush_jax.algorithms.common.normalize import denormalize, normalize
from screwpush_jax.algorithms.common.types import Policy, Rollout


def init_rollout(num_steps: int, num_envs: int, obs_size: int, action_size: int) -> Rollout:
    """An empty buffer."""
    scalar, flag = (jnp.zeros((num_steps, num_envs), dtype) for dtype in (jnp.float32, bool))
    return Rollout(
        obs=jnp.zeros((num_steps, num_envs, obs_size)),
        action=jnp.zeros((num_steps, num_envs, action_size)),
        log_prob=scalar,
        value=scalar,
        reward=scalar,
        terminated=flag,
        truncated=flag,
        next_value=scalar,
    )


def record(rollout: Rollout, t: jax.Array, step: Rollout) -> Rollout:
    """`rollout` with `step` (leaves `[N, ...]`) at time `t`."""
    return jax.tree.map(lambda buffer, leaf: buffer.at[t].set(leaf), rollout, step)


def predict_value(network: ActorCritic, policy: Policy, obs: jax.Array) -> jax.Array:
    """Value `[N]`, in units of reward, of raw `obs [N, O]`."""
    scaled = value(network, policy.params, normalize(policy.obs_moments, obs))
    return denormalize(policy.value_moments, scaled)


def choose_action(
    network: ActorCritic, policy: Policy, obs: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Sampled actions `[N, A]` and their log density `[N]` at raw `obs [N, O]`."""
    obs = normalize(policy.obs_moments, obs)
    distribution = action_distribution(network, policy.params, obs)
    action = distribution.sample(key)
    return action, distribution.log_prob(action)


def best_action(network: ActorCritic, policy: Policy, obs: jax.Array) -> jax.Array:
    """The distribution's mean `[N, A]` at raw `obs [N, O]`: the deterministic policy."""
    obs = normalize(policy.obs_moments, obs)
    return action_distribution(network, policy.params, obs).mean
