"""The diagonal Gaussian."""

import math

import jax
import jax.numpy as jnp
from flax import struct

_LOG_2PI = math.log(2 * math.pi)


@struct.dataclass
class DiagGaussian:
    """Independent normal distributions over the action's axes."""

    mean: jax.Array  # [..., A]
    log_std: jax.Array  # [..., A]

    def sample(self, key: jax.Array) -> jax.Array:
        """One draw `[..., A]`."""
        noise = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + jnp.exp(self.log_std) * noise

    def log_prob(self, action: jax.Array) -> jax.Array:
        """Log density `[...]` of `action [..., A]`."""
        z = (action - self.mean) * jnp.exp(-self.log_std)
        return jnp.sum(-0.5 * z**2 - self.log_std - 0.5 * _LOG_2PI, axis=-1)

    def entropy(self) -> jax.Array:
        """Differential entropy `[...]`."""
        return jnp.sum(self.log_std + 0.5 * (1.0 + _LOG_2PI), axis=-1)
