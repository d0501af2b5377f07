"""The shared block in host memory: a file without a name that both processes map."""

import mmap
import os

import jax
import numpy as np

from screwpush_sim import bridge
from screwpush_sim.clock import Report
from screwpush_sim.engines.isaacgym.host_handshake import HostHandshake
from screwpush_sim.engines.isaacgym.process import Worker
from screwpush_sim.engines.isaacgym.worker.block_layout import SHOWN, BlockLayout
from screwpush_sim.engines.isaacgym.worker.messages import Message
from screwpush_sim.protocol import Views


class HostBlock:
    """Fields as numpy arrays, aligned so that JAX aliases them.

    The memory is unmapped when the last array of it is gone, never under a view that still lives.
    """

    gpu = ""
    """Identity of the GPU that the worker must see; none here."""
    step_number: int
    """Number of the step that marked states wait for."""

    def __init__(self, layout: BlockLayout, control_range: np.ndarray):
        self._control_range = control_range
        self.step_number = 1
        self._first_moved = layout.first_moved
        self._fd = os.memfd_create("screwpush-isaacgym", os.MFD_CLOEXEC)
        os.ftruncate(self._fd, layout.size)
        memory = mmap.mmap(self._fd, layout.size)
        self._fields = {
            name: np.frombuffer(
                memory, np.dtype(field.dtype), count=field.count, offset=field.offset
            ).reshape(field.shape)
            for name, field in layout.fields.items()
        }

    @property
    def fds(self) -> tuple[int, ...]:
        """Open files that the worker inherits."""
        return (self._fd,)

    @property
    def address(self) -> Message:
        """Where the worker finds the block."""
        return {"fd": self._fd}

    def negotiate(self, answer: Message, wanted: str) -> tuple[bool, str]:
        """Whether the worker must pack its state into the block, and why."""
        return True, "host memory: the worker's state is packed into the shared block"

    def connect(self, worker: Worker, pack: bool, limit_s: float) -> HostHandshake:
        """The handshake with a worker that has mapped the block."""
        return HostHandshake(worker, pack, limit_s, self._fields["count"])

    def views(self) -> Views:
        """`root`, `dof` and `contact` as JAX arrays, zero-copy."""
        return {name: bridge.to_jax(self._fields[name]) for name in SHOWN if name in self._fields}

    def put_control(self, control: jax.Array) -> None:
        """Waits for the call that computes `control [N, U]`, and so for its reads of the views.

        Each is kept within what its drive takes; one that is no number leaves the last one there.
        """
        asked = bridge.to_host(control)
        kept = np.clip(asked, *self._control_range)
        np.copyto(self._fields["control"], kept, where=~np.isnan(asked))
        self.step_number += 1

    def stage(self, mask: jax.Array, views: Views) -> None:
        """New state of the scenes whose `mask [N]` is true; earlier marks stay."""
        fields = self._fields
        rows = np.flatnonzero(bridge.to_host(mask))
        for name in ("root", "dof"):
            fields[f"new_{name}"][rows] = bridge.to_host(views[name])[rows]
        fresh = rows[fields["listed"][rows] < self.step_number]
        fields["listed"][fresh] = self.step_number
        begin = int(fields["count"][0])
        end = begin + len(fresh)
        fields["count"][0] = end
        robots = fresh * fields["root"].shape[1]
        fields["robots"][begin:end] = robots
        moved = np.arange(self._first_moved, fields["root"].shape[1])
        if len(moved):
            fields["moved"].reshape(-1, len(moved))[begin:end] = robots[:, None] + moved

    def read(self, name: str) -> np.ndarray:
        """A copy of a field."""
        return self._fields[name].copy()

    def fill(self, name: str, value: np.ndarray) -> None:
        """Overwrites a field."""
        np.copyto(self._fields[name], value)

    def usage(self) -> Report:
        """Of a device: there is none."""
        return {}

    def release(self) -> None:
        """Forgets what belonged to a worker that is gone: nothing on the host."""

    def close(self) -> None:
        """Gives the memory up. May be called again."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._fields = -1, {}
