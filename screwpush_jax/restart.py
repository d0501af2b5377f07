"""When environments start anew, and from which start: what an algorithm may replace.

`env.advance` asks the rule in one place. Legend: N environments, B start states, R rows of them that
one start is put together from (`Task.rows_per_start`).
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Restart:
    """A rule, made of three functions."""

    rows: Callable[[jax.Array, int, tuple[int, int]], jax.Array]
    """`(key, B, (R, N)) -> rows [R, N]`, int32: the rows of the starts that each environment would
    start from now (each group of G, where there are groups)."""
    first_step: Callable[[jax.Array, int, int], jax.Array]
    """`(key, N, horizon) -> step [N]`, int32: the clock at which an environment's first episode
    begins. Every later one begins at 0."""
    is_due: Callable[[jax.Array], jax.Array] | None = None
    """`over [N] -> mask [N]`: which of the environments whose episode is over start anew now. The
    others are frozen until they are due. None: all of them at once, nothing is ever frozen."""
    group_size: int = 1
    """G: environments in a row that start from the same state, with the same memory: `rows` is asked for
    N / G of them. They are to begin together."""


def random_rows(key: jax.Array, size: int, shape: tuple[int, int]) -> jax.Array:
    """Each of `size` rows with equal chance."""
    return jax.random.randint(key, shape, 0, size)


def own_rows(key: jax.Array, size: int, shape: tuple[int, int]) -> jax.Array:
    """Environment n starts from row n."""
    del key
    if size < shape[1]:
        raise ValueError(f"{size} start states for {shape[1]} environments, one each")
    return jnp.broadcast_to(jnp.arange(shape[1]), shape)


def random_step(key: jax.Array, num_envs: int, horizon: int) -> jax.Array:
    """Anywhere in the episode, so that environments do not all reach the horizon together."""
    return jax.random.randint(key, (num_envs,), 0, horizon)


def step_zero(key: jax.Array, num_envs: int, horizon: int) -> jax.Array:
    """At the beginning."""
    del key, horizon
    return jnp.zeros(num_envs, jnp.int32)


AUTO_RESET = Restart(random_rows, random_step)
"""For training: what ends starts anew at once."""
ONCE = Restart(own_rows, step_zero, is_due=jnp.zeros_like)
"""For evaluation: episode n from start n, and no other after it."""
ON_REQUEST = Restart(random_rows, step_zero, is_due=jnp.zeros_like)
"""For who resets environments by `EnvState.needs_reset`."""


def for_training(group_size: int) -> Restart:
    """The rule of an algorithm that compares `group_size` environments in a row; 1: none.

    A group shares its starts; who has ended waits, frozen, until all of the group have, and then they
    all start anew.
    """
    if group_size == 1:
        return AUTO_RESET

    def whole_group_is_over(over: jax.Array) -> jax.Array:
        return jnp.repeat(jnp.all(over.reshape(-1, group_size), axis=1), group_size)

    return Restart(random_rows, step_zero, whole_group_is_over, group_size)
