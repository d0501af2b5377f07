"""The Flax actor-critic."""

import math
from typing import Protocol, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from screwpush_jax.algorithms.common.distribution import DiagGaussian
from screwpush_jax.algorithms.common.set_encoder import SetEncoder, SetEncoderConfig
from screwpush_jax.algorithms.common.sets import MEMBERS
from screwpush_jax.algorithms.common.types import Obs, Params


class Mlp(nn.Module):
    """ELU layers and a linear head, orthogonal initialisation."""

    hidden_sizes: tuple[int, ...]
    output_size: int
    output_scale: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for index, size in enumerate(self.hidden_sizes):
            init = nn.initializers.orthogonal(2**0.5)
            x = nn.elu(nn.Dense(size, kernel_init=init, name=f"layer{index}")(x))
        init = nn.initializers.orthogonal(self.output_scale)
        return nn.Dense(self.output_size, kernel_init=init, name="head")(x)


class ActorCritic(nn.Module):
    """Two separate trunks; the standard deviation does not depend on the observation.

    The critic reads the observation `critic` where there is one (asymmetric actor-critic, Pinto et
    al. 2017), else the policy's. Where an observation has a set, each trunk reads it by an encoder of
    its own.
    """

    hidden_sizes: tuple[int, ...]
    action_size: int
    init_log_std: float
    set_encoder: SetEncoderConfig = SetEncoderConfig()

    def setup(self) -> None:
        self.actor = Mlp(self.hidden_sizes, self.action_size, 0.01)
        self.critic = Mlp(self.hidden_sizes, 1, 1.0)
        self.actor_set, self.critic_set = (SetEncoder(self.set_encoder) for _ in range(2))
        init = nn.initializers.constant(self.init_log_std)
        self.log_std = self.param("log_std", init, (self.action_size,))

    def __call__(self, obs: Obs) -> tuple[DiagGaussian, jax.Array]:
        """Action distribution and normalised value `[...]` of normalised `obs [..., O]`."""
        return self.act(obs), self.evaluate(obs)

    def act(self, obs: Obs) -> DiagGaussian:
        """Action distribution of normalised `obs [..., O]`."""
        mean = self.actor(_read(self.actor_set, obs, "policy"))
        return DiagGaussian(mean, jnp.broadcast_to(self.log_std, mean.shape))

    def evaluate(self, obs: Obs) -> jax.Array:
        """Normalised value `[...]` of normalised `obs [..., O]`."""
        name = "critic" if "critic" in obs else "policy"
        return self.critic(_read(self.critic_set, obs, name))[..., 0]


def _read(encoder: SetEncoder, obs: Obs, name: str) -> jax.Array:
    """What a trunk reads of the observation `name`."""
    members = obs.get(name + MEMBERS)
    return obs[name] if members is None else encoder(obs[name], members)


def action_distribution(network: ActorCritic, params: Params, obs: Obs) -> DiagGaussian:
    """The actor at normalised `obs [..., O]`."""
    return cast(DiagGaussian, network.apply(params, obs, method=ActorCritic.act))


def value(network: ActorCritic, params: Params, obs: Obs) -> jax.Array:
    """The critic's normalised value `[...]` at normalised `obs [..., O]`."""
    return cast(jax.Array, network.apply(params, obs, method=ActorCritic.evaluate))


class NetworkConfig(Protocol):
    """What an algorithm's configuration says about its network."""

    @property
    def hidden_sizes(self) -> tuple[int, ...]: ...
    @property
    def init_log_std(self) -> float: ...
    @property
    def set_encoder(self) -> SetEncoderConfig: ...


def make_network(config: NetworkConfig, action_size: int) -> ActorCritic:
    return ActorCritic(config.hidden_sizes, action_size, config.init_log_std, config.set_encoder)


def rescale_value_head(params: Params, scale: jax.Array, shift: jax.Array) -> Params:
    """Parameters whose critic gives `scale * value + shift`.

    PopArt (van Hasselt et al. 2016, eq. 10 and 11): new moments of the returns change no value.
    """
    head = params["params"]["critic"]["head"]
    head = {"kernel": head["kernel"] * scale, "bias": head["bias"] * scale + shift}
    critic = {**params["params"]["critic"], "head": head}
    return {"params": {**params["params"], "critic": critic}}


def bound_std(params: Params, std_range: tuple[float, float]) -> Params:
    """Parameters whose standard deviations lie within `std_range`.

    To be called after a gradient step, which leaves the gradient alive: clipped in the forward
    pass, a deviation beyond the bounds could never come back.
    """
    low, high = (math.log(bound) for bound in std_range)
    log_std = jnp.clip(params["params"]["log_std"], low, high)
    return {"params": {**params["params"], "log_std": log_std}}
