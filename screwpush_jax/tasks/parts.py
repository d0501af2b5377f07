"""What tasks on any robot share: the table of an observation, weighted terms, clipped actions."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

A = TypeVar("A", jax.Array, np.ndarray)


class Field(NamedTuple):
    """One row of the layout: `obs[start:stop]`."""

    name: str
    start: int
    stop: int
    unit: str


@dataclasses.dataclass(frozen=True)
class SetLayout:
    """Members of equal kind, one after the other: `obs[start : start + num_members * size]`.

    The first number of each is 1 where it is there, and 0 where its place is empty.
    """

    start: int
    num_members: int
    size: int

    @property
    def stop(self) -> int:
        return self.start + self.num_members * self.size


def make_layout(sizes: Mapping[str, int], units: Mapping[str, str]) -> tuple[Field, ...]:
    """Fields of these sizes, one after the other."""
    fields, start = [], 0
    for name, size in sizes.items():
        fields.append(Field(name, start, start + size, units[name]))
        start += size
    return tuple(fields)


def in_layout(fields: tuple[Field, ...], values: Mapping[str, jax.Array]) -> jax.Array:
    """Observation `[O]` of `values`, any shape each, by the fields' names."""
    return jnp.concatenate([values[field.name].reshape(-1) for field in fields])


def weigh(
    weights: Mapping[str, float], terms: Mapping[str, jax.Array], invalid: jax.Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Reward `[N]` and the weighted terms `[N]` that it is the sum of; zero where `invalid [N]`.

    Raises:
      ValueError: not every term has a weight, or a weight has no term.
    """
    if weights.keys() != terms.keys():
        raise ValueError(f"reward weights {sorted(weights)} are not the terms {sorted(terms)}")
    weighted = {name: jnp.where(invalid, 0.0, weights[name] * terms[name]) for name in terms}
    return jnp.sum(jnp.stack(list(weighted.values())), axis=0), weighted


def clip_action(action: jax.Array) -> jax.Array:
    """`action [A]` within [-1, 1]; what is not a number asks for nothing."""
    return jnp.clip(jnp.nan_to_num(action, nan=0.0), -1.0, 1.0)


def quat_to_matrix(quat: A) -> A:
    """Rotation matrix `[..., 3, 3]` of the unit quaternion `quat [..., 4]` (wxyz).

    A numpy array gives a numpy array, which costs a traced function nothing.
    """
    xp: Any = np if isinstance(quat, np.ndarray) else jnp
    w, x, y, z = (quat[..., i] for i in range(4))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)
