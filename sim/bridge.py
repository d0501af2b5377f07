"""Whose turn it is: the ordering rule between an engine and JAX, and the hand-overs that keep it.

JAX takes an imported array for a constant; the engine overwrites the memory under it at the next
step. Sound use needs three things, kept here and nowhere else:

1. A view is asked for anew each step and read only *inside* the jitted transition. What goes on
   from there are outputs of that call, in memory of JAX's own.
2. The engine overwrites the memory of a view only after that call has finished. The joint targets
   that a step consumes are an output of the same call, so waiting for them is waiting for the
   reads: `to_host` does it.
3. The engine has finished writing before a view is handed out.

On the host a `step` returns when the physics is done, which is rule 3. JAX's CPU client dispatches
asynchronously, so rule 2 is real there, too: without the wait an engine overwrites what a queued
computation has yet to read.
"""

import jax
import jax.numpy as jnp
import numpy as np

_ALIGNMENT = 64
"""JAX's CPU client aliases memory of this alignment in bytes and copies any other."""


def aligned_zeros(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """A zeroed host array that JAX can take without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def to_jax(array: np.ndarray) -> jax.Array:
    """`array`'s own memory as a JAX array.

    Raises:
      ValueError: JAX would have to copy (alignment, layout or dtype).
    """
    if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
        raise ValueError(
            f"JAX would copy {array.dtype} to another dtype; convert it where you mean to"
        )
    return jnp.from_dlpack(array, copy=False)


def to_host(array: jax.Array) -> np.ndarray:
    """`array`'s own memory as a read-only numpy array, once the call that makes it has ended."""
    return np.asarray(array.block_until_ready())
