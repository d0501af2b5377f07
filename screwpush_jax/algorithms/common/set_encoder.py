"""One encoder for each member of a set: its result knows neither their order nor their number."""

import dataclasses
from typing import Annotated, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from annotated_types import Interval, MinLen

from screwpush_jax.algorithms.common.sets import present

LayerSize = Annotated[int, Interval(gt=0, le=65536)]
_FAR_BELOW = -1e9
"""The score of an empty place: its share is zero."""
_ELU_FLOOR = -1.0


@dataclasses.dataclass(frozen=True)
class SetEncoderConfig:
    """How the members of a set are read, where a task's observation has one."""

    kind: Literal["attention", "pooling"] = "pooling"
    """pooling: each member by itself (deep sets); attention: each also looks at all others first."""
    hidden_sizes: Annotated[tuple[LayerSize, ...], MinLen(1)] = (128, 64)
    """Layers that each member goes through."""
    num_heads: Annotated[int, Interval(gt=0, le=64)] = 4
    """Heads of the attention, each as wide as the last layer divided by their number."""

    POLICY_FIELDS: ClassVar[tuple[str, ...]] = ("kind", "hidden_sizes", "num_heads")

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, for heads that share no layer."""
        width, heads = self.hidden_sizes[-1], self.num_heads
        if self.kind == "attention" and width % heads:
            valid = ", ".join(str(n) for n in range(1, min(width, 64) + 1) if width % n == 0)
            raise ValueError(
                f"num_heads {heads} does not divide the last of hidden_sizes, {width};"
                f" valid: {valid}"
            )


class SetEncoder(nn.Module):
    """Deep sets (Zaheer et al. 2017), mean and maximum over the members; with `attention` one block of
    self-attention between them (Lee et al. 2019, a set transformer's) before that."""

    config: SetEncoderConfig

    @nn.compact
    def __call__(self, rest: jax.Array, members: jax.Array) -> jax.Array:
        """What trunks read, `[..., G + 2 E]`, of `rest [..., G]` and `members [..., B, F]`.

        Both normalised; the numbers of an empty place are NaN.
        """
        there = present(members)
        x, sizes = jnp.where(there, members, 0.0), self.config.hidden_sizes
        # the first layer sees the member and all else, whose part is the same for every member
        of_rest = _dense(sizes[0], 1.0, "of_rest", use_bias=False)(rest)
        x = nn.elu(_dense(sizes[0], 1.0, "of_member")(x) + of_rest[..., None, :])
        for index, size in enumerate(sizes[1:], 1):
            x = nn.elu(_dense(size, 2**0.5, f"layer{index}")(x))
        if self.config.kind == "attention":
            x = _Attention(self.config.num_heads, name="attention")(x, there)
        count = jnp.maximum(jnp.sum(there, axis=-2, dtype=x.dtype), 1.0)
        mean = jnp.sum(jnp.where(there, x, 0.0), axis=-2) / count
        largest = jnp.max(jnp.where(there, x, _ELU_FLOOR), axis=-2)
        return jnp.concatenate([rest, mean, largest], axis=-1)


class _Attention(nn.Module):
    """Each member looks at all others, and keeps what it knew of itself."""

    num_heads: int

    @nn.compact
    def __call__(self, x: jax.Array, there: jax.Array) -> jax.Array:
        """`[..., B, E]`, outputs of ELU, of the same and which of them are there `[..., B, 1]`.

        Sums of products instead of matrix products: the matrices are of a handful of members, one pair
        for each sample, and a GPU rounds products to TF32.
        """
        *lead, width = x.shape
        split = (*lead, self.num_heads, width // self.num_heads)
        query, key, value = (
            _dense(width, 1.0, name)(x).reshape(split) for name in ("query", "key", "value")
        )
        score = jnp.sum(query[..., :, None, :, :] * key[..., None, :, :, :], axis=-1)
        score = jnp.where(there[..., None, :, :], score / split[-1] ** 0.5, _FAR_BELOW)
        share = jax.nn.softmax(score, axis=-2)  # [..., B, B, heads], over whom they look at
        seen = jnp.sum(share[..., None] * value[..., None, :, :, :], axis=-3)
        return nn.elu(x + _dense(width, 1.0, "out")(seen.reshape(x.shape)))


def _dense(size: int, scale: float, name: str, use_bias: bool = True) -> nn.Dense:
    init = nn.initializers.orthogonal(scale)
    return nn.Dense(size, kernel_init=init, use_bias=use_bias, name=name)
