"""The processes that train together, one for each GPU: the only module that lets them meet.

Each has a simulator and environments of its own; what all share is the learner, which each of them
holds whole. One mesh axis, `AXIS`, goes through all of them. Alone, nothing is started, and arrays
pass as they are.
"""

import os
import sys
import threading
from typing import Any, TypeVar

import jax
import numpy as np
from jax._src import distributed
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from screwpush_jax import cluster
from screwpush_jax.algorithms.common.types import AXIS
from screwpush_jax.errors import REFUSED, UsageError

T = TypeVar("T")
_QUIET_S, _JOIN_S = 10, 300
"""Who waits longer for the others says so, and gives up."""
_HEARTBEAT_S = 20
"""Silence after which one is taken for lost."""


_learner = 0
"""Number of the device, of those of this process, on which it learns."""


def learn_on(number: int) -> None:
    """Says which of this process's devices it learns on; without, it is the first, as for all else."""
    global _learner
    _learner = number


def learner_device() -> Any:
    """The device on which this process learns."""
    return jax.local_devices()[_learner]


def is_split() -> bool:
    """Whether this process learns on another device than its simulator's."""
    return _learner != 0


def join(pairs: cluster.Pairs = ()) -> cluster.Place:
    """Joins the others, if there are any; call before JAX's first computation.

    `pairs` are the devices of simulator and learner of each process of a machine, where they differ.

    Who does not meet them within 300 s ends the process with a line that says so.

    Raises:
      UsageError: they do not come together.
    """
    own = cluster.place()
    if own.count == 1 or jax.distributed.is_initialized():
        return own
    cluster.pin(own, pairs)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it takes SIGTERM, which stops a run
    met = threading.Event()
    threading.Thread(target=_watch, args=(own, met), daemon=True).start()
    try:
        jax.distributed.initialize(
            coordinator_address=own.address,
            num_processes=own.count,
            process_id=own.index,
            local_device_ids=[0, 1] if pairs else [0],
            initialization_timeout=_JOIN_S + 60,  # at which it would abort
            heartbeat_timeout_seconds=_HEARTBEAT_S,
        )
    except Exception as error:  # of the runtime's many kinds
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"process {own.index} of {own.count} does not reach the others: {reason}"
        ) from None
    finally:
        met.set()
    return own


def _watch(own: cluster.Place, met: threading.Event) -> None:
    """Says for whom it waits, and at last ends the process: no exception reaches one that waits in JAX."""
    where = f" at {own.address}" if own.address else ""
    whom = f"the first{where}" if own.index else f"the others{where}"
    who = f"process {own.index} of {own.count}"
    if met.wait(_QUIET_S):
        return
    print(f"{who} waits for {whom}, {_JOIN_S} s at most", file=sys.stderr, flush=True)
    if not met.wait(_JOIN_S - _QUIET_S):
        said = f"error: {who} does not meet {whom} within {_JOIN_S} s"
        print(said, file=sys.stderr, flush=True)
        os._exit(REFUSED)


def leave() -> None:
    """Parts with the others, once all have come here: from then on each is alone.

    Where they met, the first process answers until it ends: a GPU's runtime goes on asking there for the
    others, and prints an error each second in which nobody answers (jaxlib 0.11).
    """
    state = distributed.global_state  # public is only what ends both
    service, state.service = state.service, None
    jax.distributed.shutdown()
    state.service = service  # JAX ends it with the process


def count() -> int:
    """How many processes train together."""
    return jax.process_count() if jax.distributed.is_initialized() else 1


def index() -> int:
    """The number of this one; 0 is the one that writes and speaks."""
    return jax.process_index() if jax.distributed.is_initialized() else 0


def mesh() -> Mesh:
    """The device of each process on which it learns."""
    of_process: dict[int, list[Any]] = {}
    for device in jax.devices() if count() > 1 else jax.local_devices():
        of_process.setdefault(device.process_index, []).append(device)
    return Mesh([of_process[number][_learner] for number in sorted(of_process)], (AXIS,))


def to_mesh(tree: T, spec: PartitionSpec) -> T:
    """Arrays of this process as its part of arrays over all of them; nothing is copied.

    Where `spec` names no axis, each process holds an array of its own under one name: the same
    everywhere (a learner), or to be summed inside the mapped function (a tally).
    """
    if count() == 1:
        return tree
    place = NamedSharding(mesh(), spec)
    names = tuple(spec)
    split = names.index(AXIS) if AXIS in names else None

    def whole(x: jax.Array) -> jax.Array:
        shape = tuple(n * count() if axis == split else n for axis, n in enumerate(x.shape))
        return jax.make_array_from_single_device_arrays(shape, place, [x])

    return jax.tree.map(whole, tree)


def local(tree: T) -> T:
    """This process's part of arrays over all of them; nothing is copied."""
    return tree if count() == 1 else jax.tree.map(lambda x: x.addressable_data(0), tree)


def own_key(key: jax.Array, stage: int = 0) -> jax.Array:
    """A random key that no other process or stage has; the first one keeps `key`."""
    number = _number(stage)
    return jax.random.fold_in(key, number) if number else key


def own_seed(seed: int, *others: int, stage: int = 0) -> int:
    """A seed, uint32, that no other process or stage has and none of `others`; the first one keeps `seed`."""
    number = _number(stage)
    draws = np.random.SeedSequence((seed, number)).generate_state(len(others) + 1)
    return next(int(n) for n in draws if n not in others) if number else seed


def _number(stage: int) -> int:
    """Of a stage of this process among those of all."""
    return index() + count() * stage


def gather(data: np.ndarray) -> np.ndarray:
    """The bytes `[B]` of every process, `[processes, B]`, on all of them; all have as many."""
    return np.asarray(multihost_utils.process_allgather(data))


def tell(text: str) -> str:
    """What the first process says here, on all of them; at most 4,000 bytes."""
    if count() == 1:
        return text
    said = np.zeros(4096, np.uint8)
    raw = np.frombuffer(text.encode()[:4000], np.uint8)
    said[: len(raw)] = raw
    heard = np.asarray(multihost_utils.broadcast_one_to_all(said))
    return heard.tobytes().rstrip(b"\0").decode()


def is_loss(error: Exception) -> bool:
    """Whether an error is of what the processes exchange: another one is gone, or out of reach."""
    words = ("Gloo", "NCCL", "nccl", "oordination")
    kinds = (jax.errors.JaxRuntimeError, ValueError)  # the latter where it fails at once
    return isinstance(error, kinds) and any(w in str(error) for w in words)


def said_of_loss(error: Exception) -> str:
    """Of that error, in a line."""
    reason = " ".join(str(error).split())[:160]
    return (
        f"process {index()} of {count()} has lost another one, and ends, too; go on from the last"
        f" checkpoint ({reason})"
    )
