"""Sets in an observation: members of equal kind in any order, of any number.

A task gives its observation as one row `[..., O]`; an algorithm takes it apart before all else, so
that normaliser and network meet the members as `[..., B, F]` and have no number that belongs to one
place in the row. Legend: B members, F numbers of each.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from screwpush_jax.algorithms.common.normalize import describe_normalizer
from screwpush_jax.algorithms.common.types import Moments, Obs

MEMBERS = ".members"
"""What the name of an observation's members ends with."""


class SetLayout(Protocol):
    """Where the members stand in a row, one after the other; the first number of each is 1 where it
    is there at all, and 0 where its place is empty."""

    @property
    def start(self) -> int: ...
    @property
    def num_members(self) -> int:
        """B."""
        ...

    @property
    def size(self) -> int:
        """F + 1."""
        ...


Sets = Mapping[str, SetLayout]
"""By the name of the observation that has one."""
NONE: Sets = MappingProxyType({})


def split(sets: Sets, obs: Obs) -> Obs:
    """Each observation `[..., O]` without its set, and the set's members `[..., B, F]`.

    The numbers of an empty place are NaN, which count in no moment; `SetEncoder` leaves them out. What
    has no set stays as it is.
    """
    parts = {}
    for name, row in obs.items():
        if name not in sets:
            parts[name] = row
            continue
        start, shape = sets[name].start, (sets[name].num_members, sets[name].size)
        stop = start + shape[0] * shape[1]
        members = row[..., start:stop].reshape(*row.shape[:-1], *shape)
        rest = [row[..., :start], *([row[..., stop:]] if stop < row.shape[-1] else [])]
        parts[name] = jnp.concatenate(rest, axis=-1)
        parts[name + MEMBERS] = jnp.where(members[..., :1] > 0.5, members[..., 1:], jnp.nan)
    return parts


def present(members: jax.Array) -> jax.Array:
    """Which places of `members [..., B, F]` are not empty, `[..., B, 1]`."""
    return ~jnp.isnan(members[..., :1])


def describe_normalizers(obs_moments: Mapping[str, Moments]) -> dict[str, Any]:
    """Of what the policy is shown, and of the members of its set if it has one, as JSON."""
    names = {"normalizer": "policy", "set_normalizer": f"policy{MEMBERS}"}
    return {k: describe_normalizer(obs_moments[n]) for k, n in names.items() if n in obs_moments}
