"""What a policy does and what its critic expects, at raw observations."""

import jax

from screwpush_jax.algorithms.common.networks import ActorCritic, action_distribution, value
from screwpush_jax.algorithms.common.normalize import denormalize, normalize_each
from screwpush_jax.algorithms.common.types import Actor, Obs, Policy


def predict_value(network: ActorCritic, policy: Policy, obs: Obs) -> jax.Array:
    """Value `[N]`, in units of reward, of raw `obs [N, O]`."""
    scaled = value(network, policy.params, normalize_each(policy.obs_moments, obs))
    return denormalize(policy.value_moments, scaled)


def choose_action(
    network: ActorCritic, policy: Actor, obs: Obs, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Sampled actions `[N, A]` and their log density `[N]` at raw `obs [N, O]`."""
    obs = normalize_each(policy.obs_moments, obs)
    distribution = action_distribution(network, policy.params, obs)
    action = distribution.sample(key)
    return action, distribution.log_prob(action)


def best_action(network: ActorCritic, policy: Actor, obs: Obs) -> jax.Array:
    """The distribution's mean `[N, A]` at raw `obs [N, O]`: the deterministic policy."""
    obs = normalize_each(policy.obs_moments, obs)
    return action_distribution(network, policy.params, obs).mean
