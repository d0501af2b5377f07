"""Advantages relative to a group: how an episode went compared with others from the same start.

Legend: T steps, N environments, G of them in a row a group.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_EPS = 1e-6
"""Of reward; so much is added to a group's deviation."""


class Outcomes(NamedTuple):
    """What a rollout's steps learn from the episodes that they belong to."""

    advantages: jax.Array  # [T, N], 0 where nothing counts
    counts: (
        jax.Array
    )  # [T, N] bool, steps of an episode whose whole group has ended within the rollout
    compared: jax.Array  # [T, N] bool, where a whole group has ended, whose returns are numbers
    deviations: jax.Array  # [T, N] of the group's returns there, 0 elsewhere


def find_outcomes(
    return_: jax.Array, live: jax.Array, ended: jax.Array, group_size: int
) -> Outcomes:
    """Advantages of the steps `[T, N]` of groups that start together and wait for each other.

    A step's advantage is its whole episode's return (`return_` at its end; it stays there), less the
    group's mean, in the group's standard deviations (outcome supervision; Shao et al. 2024, DeepSeekMath,
    section 4.1.2). A group that all got the same asks for no change, and one with a return that is not
    a number does not count; nor do steps of an episode that is over (not `live`), nor those whose
    group is still on its way at the rollout's end.
    """
    shape = (*return_.shape[:-1], -1, group_size)
    over = (~live | ended).reshape(shape)
    group_ends = jnp.all(over, axis=-1, keepdims=True)
    returns = return_.reshape(shape)
    sound = group_ends & jnp.all(jnp.isfinite(returns), axis=-1, keepdims=True)
    relative, deviation = relative_returns(jnp.where(sound, returns, 0.0))

    def back(later: tuple[jax.Array, jax.Array], step: tuple[jax.Array, ...]):
        ends, advantage, counts = step
        now = (jnp.where(ends, advantage, later[0]), jnp.where(ends, counts, later[1]))
        return now, now

    nothing = (jnp.zeros_like(returns[0]), jnp.zeros_like(over[0]))
    steps = tuple(jnp.broadcast_to(x, over.shape) for x in (group_ends, relative, sound))
    _, (advantages, known) = jax.lax.scan(back, nothing, steps, reverse=True)
    advantages, known, compared, deviation = (
        jnp.broadcast_to(x, over.shape).reshape(return_.shape)
        for x in (advantages, known, sound, deviation)
    )
    counts = known & live
    return Outcomes(jnp.where(counts, advantages, 0.0), counts, compared, deviation)


def relative_returns(returns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns `[..., G]` less their mean, in standard deviations; and these, `[..., 1]`.

    Equal returns give exactly zero: they are compared by their differences.
    """
    apart = returns - returns[..., :1]
    apart = apart - jnp.mean(apart, axis=-1, keepdims=True)
    deviation = jnp.sqrt(jnp.mean(apart**2, axis=-1, keepdims=True))
    return apart / (deviation + _EPS), deviation
