"""The ordering rule between an engine and JAX, and the hand-overs that keep it.

JAX takes an imported array for a constant; the engine overwrites the memory under it at the next
step. Sound use needs four things, kept here and nowhere else:

1. A view is asked for again at each step and read only *inside* the jitted transition. What goes on
   from there are outputs of that call, in memory of JAX's own.
2. The engine overwrites the memory of a view only after that call has finished. The joint targets
   that a step consumes are an output of the same call, so whatever waits for them waits for the
   reads.
3. The engine has finished writing before a view is read.
4. Memory that JAX lends (targets, mask, reset states) stays referenced until the engine has read
   it: until the views of a later step are asked for, whose reader runs after all of it. What is kept is
   the engine's import of it: an array that its owner deletes or donates gives its memory back however
   many names it has, an import does not.

On the host a `step` returns when the physics is done, which is rule 3. JAX's CPU client dispatches
asynchronously, so rule 2 is real there, too: without the wait in `to_host` or `lend` an engine
overwrites what a queued computation has yet to read.

On a GPU the host waits for nothing. The engine queues its work on a stream of its own; DLPack's
`__dlpack__(stream)` makes the consumer's stream wait for the producer's: JAX's for the engine's
when `to_jax` imports a view (rule 3), the engine's for JAX's when it imports what `lend` gives
(rule 2). A capsule that was made without a stream, or kept, orders nothing.

An engine in another process shares neither streams nor the interpreter, so the two compute in turn, and
two counters in a page of shared memory are the only order there is
(`engines/isaacgym/worker/handshake.py`): what was asked, and what was answered. Before the learner's
moves on, the call that computed the targets has ended and the copies out of what JAX lent are in place:
its reads of the views are over (rule 2) and all that it hands over is written. Before the worker's
moves on, its device has finished all that it queued: what it was given is read and its state is written
(rule 3). On the host the learner waits and counts itself (`to_host`). On a GPU a stream does both
(`engines/isaacgym/stream_handshake.py`): it moves one counter when all before it is done and waits for
the other, as do the streams with which JAX reads the views.
"""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np


class SupportsDLPack(Protocol):
    """Arrays of any library."""

    def __dlpack__(self, *, stream: Any = None) -> Any: ...
    def __dlpack_device__(self) -> Any: ...


def device() -> Any:
    """The device of this process on which the engine is and all that reads its views: JAX's first. It learns
    there, too, unless it is told to do so on another."""
    return jax.local_devices()[0]


_ALIGNMENT = 64
"""JAX's CPU client aliases memory of this alignment in bytes and copies any other."""


def aligned_zeros(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """A zeroed host array that JAX can take without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def to_jax(array: SupportsDLPack) -> jax.Array:
    """`array`'s own memory as a JAX array, read by JAX after what its owner has queued.

    Raises:
      ValueError: JAX would have to copy (alignment, layout or dtype).
    """
    if isinstance(array, np.ndarray):
        if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
            raise ValueError(
                f"JAX would copy {array.dtype} to another dtype; convert it where you mean to"
            )
        if not array.flags.c_contiguous:
            raise ValueError("JAX would copy a strided array; hand over a contiguous one")
    return jnp.from_dlpack(array, copy=False)


def to_host(array: jax.Array) -> np.ndarray:
    """`array`'s own memory as a read-only numpy array, once the call that makes it has ended."""
    return np.asarray(array.block_until_ready())


def lend(array: jax.Array) -> jax.Array:
    """`array`, ready to be imported by an engine over DLPack.

    On a GPU the importing stream does the waiting; host memory carries no stream, so the wait is
    here.
    """
    return array if next(iter(array.devices())).platform == "gpu" else array.block_until_ready()
