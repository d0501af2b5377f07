"""What crosses the two jitted calls. Legend: T steps, N environments, A action, O observation."""

from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import struct

Params = Any
"""A Flax parameter tree."""
Metrics = dict[str, jax.Array]
"""What the logs say of an update, `[]` each, by name."""
Obs = dict[str, jax.Array]
"""Observations `[..., O]` by name: `policy`, and `critic` where the critic may see more."""
Records = dict[str, jax.Array]
"""What an algorithm notes down of a step, `[..., N]` each, by name."""
AXIS = "data"
"""Name of the device axis that gradients and statistics are averaged over."""


@struct.dataclass
class Moments:
    """Running mean and variance over everything seen so far."""

    mean: jax.Array  # [...]
    var: jax.Array  # [...]
    count: jax.Array  # []


@struct.dataclass
class Actor:
    """What acting needs: parameters and the normalisers they were trained with."""

    params: Params
    obs_moments: dict[str, Moments]  # [O] each, by the observations' names


@struct.dataclass
class Policy(Actor):
    """An actor whose parameters hold a critic, too."""

    value_moments: Moments  # []


A = TypeVar("A", bound=Actor)


@struct.dataclass
class Learner(Generic[A]):
    """Everything that `update` changes."""

    policy: A
    opt_state: optax.OptState
    learning_rate: jax.Array  # [] that the next update adapts (`adaptive`) or the last one used
    key: jax.Array
    iteration: jax.Array  # [] int32, updates done


def is_finite(learner: Learner) -> jax.Array:
    """Whether every number that training has made is finite, `[]` bool.

    Parameters and the standard deviation among them, Adam's moments, the normalisers, the rate.
    """
    numbers = [x for x in jax.tree.leaves(learner) if jnp.issubdtype(x.dtype, jnp.inexact)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in numbers]))


def checksums(tree: Any) -> jax.Array:
    """A sum over the bits of each leaf, `[leaves]` uint32: equal where the leaves are, bit for bit."""

    def of(leaf: jax.Array) -> jax.Array:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return jnp.sum(jax.lax.bitcast_convert_type(leaf, jnp.uint32), dtype=jnp.uint32)

    return jnp.stack([of(leaf) for leaf in jax.tree.leaves(tree)])


@struct.dataclass
class Progress:
    """How far the environments have got with the step that just ended, `[N]` each."""

    live: jax.Array  # bool, an episode was under way; else it was over and waits for its restart
    return_: jax.Array  # reward of the episode so far, from its beginning


@struct.dataclass
class Rollout:
    """T steps of N environments, time first."""

    obs: Obs  # [T, N, O] raw
    action: jax.Array  # [T, N, A] as sampled, not clipped
    records: Records  # [T, N, ...] the algorithm's own, of the decision and of what it led to
    reward: jax.Array  # [T, N]
    terminated: jax.Array  # [T, N] bool
    truncated: jax.Array  # [T, N] bool
