"""Trees of arrays as Orbax takes and gives them: keys as data, one process at a time, on this device."""

import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from screwpush_jax import dist
from screwpush_jax.errors import CheckpointError
from screwpush_sim import bridge


def read(path: Path, template: Any) -> Any:
    """What was written to `path`, in the structure of `template`, whose arrays may be abstract.

    Raises:
      CheckpointError: damaged, or of another structure or other shapes.
    """
    try:
        here = jax.tree.map(_on_this_device, template)
        return ocp.StandardCheckpointer(**one_process()).restore(path.absolute(), here)
    except Exception as error:  # Orbax and TensorStore raise many kinds for a damaged folder
        raise CheckpointError(f"checkpoint {path} cannot be restored: {reason(error)}") from error


def one_process() -> dict[str, Any]:
    """Has Orbax read and write in this process alone, where several train or trained together."""
    if jax.process_count() == 1:
        return {}
    me = jax.process_index()
    options = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
    )
    return {"multiprocessing_options": options}


def to_write(tree: Any) -> Any:
    """Where several train together Orbax takes a process's own arrays from the host only; and what it takes
    from a device it asks for that device again, which others may not have."""
    alone = dist.count() == 1 and not dist.is_split()
    return tree if alone else jax.device_get(tree)


def reason(error: Exception) -> str:
    """One line of what Orbax says, which may be pages: of an error of the system's, its own words."""
    said = " ".join(str(error).split())
    if found := re.search(r"os_error_code='(\d+)'", said):
        return os.strerror(int(found[1]))
    return said[:200] or type(error).__name__


def hush_writers() -> None:
    """Of a write that fails its error is to be heard, not each array's writer that it leaves behind, too."""
    hook, loggers = sys.unraisablehook, [logging.getLogger(name) for name in ("asyncio", "absl")]
    if _is_said_once in loggers[0].filters:
        return

    def report(said: Any) -> None:
        if str(said.exc_value) != "Event loop is closed":
            hook(said)

    sys.unraisablehook = report
    for logger in loggers:
        logger.addFilter(_is_said_once)


def _is_said_once(record: logging.LogRecord) -> bool:
    again = "exception was never retrieved", "_SignalingThread.run() raised an exception"
    return not any(words in record.getMessage() for words in again)


def plain(tree: Any) -> Any:
    """Random keys as their data, which every version of Orbax can store."""
    return jax.tree.map(lambda leaf: _key_to_data(leaf) if _is_key(leaf) else leaf, tree)


def _on_this_device(leaf: Any) -> Any:
    """Without a place of its own Orbax would look for the device that the leaf was saved on."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        place = jax.sharding.SingleDeviceSharding(bridge.device())
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)
    return leaf


def with_keys(tree: Any, like: Any) -> Any:
    """What `plain` made of a tree like `like`, as it was."""
    return jax.tree.map(_data_to_key, tree, like)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _key_to_data(leaf: Any) -> Any:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return jax.eval_shape(jax.random.key_data, leaf)
    return jax.random.key_data(leaf)


def _data_to_key(leaf: Any, like: Any) -> Any:
    return jax.random.wrap_key_data(leaf) if _is_key(like) else leaf
