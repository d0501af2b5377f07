"""What a task watches of running episodes, kept on the device: thinned, bounded, read at the end.

Legend: N environments, K instants that are kept of an episode, at most `_MOST` whatever the horizon.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.tasks.optional import Recorded
from screwpush_jax.tasks.task import Starts, Task

_MOST = 32


@struct.dataclass
class Recording:
    """Of each episode; both are empty where the task watches nothing."""

    path: dict[str, jax.Array]  # [N, K, ...], NaN where the episode has not come yet
    last: dict[str, jax.Array]  # [N, ...]


def init_recording(task: Task, starts: Starts, num_envs: int) -> Recording:
    """Nothing recorded yet."""
    if not isinstance(task, Recorded):
        return Recording({}, {})
    rows = jnp.zeros((task.rows_per_start, num_envs), jnp.int32)

    def watched(starts: Starts) -> dict[str, jax.Array]:
        return task.watch(task.reset(starts, rows, jax.random.key(0))[0])

    count = task.horizon // _stride(task) + 1
    shapes = jax.eval_shape(watched, starts)
    return Recording(
        path={n: jnp.full((num_envs, count, *x.shape[1:]), jnp.nan) for n, x in shapes.items()},
        last={n: jnp.full(x.shape, jnp.nan) for n, x in shapes.items()},
    )


def record(
    task: Task, recording: Recording, sound: jax.Array, step: jax.Array, derived: Any
) -> Recording:
    """Takes up an instant of the environments that are `sound [N]`, at their clocks `step [N]`."""
    if not isinstance(task, Recorded):
        return recording
    seen = task.watch(derived)
    rows, stride = jnp.arange(step.shape[0]), _stride(task)
    count = task.horizon // stride + 1
    # one beyond the end is dropped
    instant = jnp.where(sound & (step % stride == 0), step // stride, count)
    now = jnp.where(sound, rows, step.shape[0])
    return Recording(
        path={n: recording.path[n].at[rows, instant].set(x, mode="drop") for n, x in seen.items()},
        last={n: recording.last[n].at[now].set(x, mode="drop") for n, x in seen.items()},
    )


def _stride(task: Task) -> int:
    """Control steps between two instants that are kept."""
    return -(-task.horizon // (_MOST - 1))
