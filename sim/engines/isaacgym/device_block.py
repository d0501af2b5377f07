"""The shared block in device memory: allocated here, opened by the worker through CUDA IPC.

Memory of the learner's own outlives a worker that dies, and the next one opens the same block. With
the direct hand-over `root` and `dof` are Isaac Gym's tensors, mapped into this process; targets and
new states still travel through the block.
"""

# pyright: reportIndexIssue=false, reportInvalidTypeForm=false, reportArgumentType=false
# pyright: reportAssignmentType=false, reportReturnType=false, reportGeneralTypeIssues=false
# warp's kernels are a language of their own, and its arrays carry no types.

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import warp as wp

from sim import bridge, gpu
from sim.clock import Report
from sim.engines.isaacgym.gate import Gate
from sim.engines.isaacgym.process import Worker
from sim.engines.isaacgym.worker.cuda import Cuda, CudaError
from sim.engines.isaacgym.worker.layout import SHOWN, Field, Layout
from sim.engines.isaacgym.worker.messages import Message
from sim.errors import WorkerError
from sim.protocol import Views

_DTYPES = {"float32": wp.float32, "int32": wp.int32}


@wp.kernel
def _aim(
    asked: wp.array2d(dtype=float),
    low: wp.array(dtype=float),
    high: wp.array(dtype=float),
    count: wp.array(dtype=int),
    control: wp.array2d(dtype=float),
    told: wp.array(dtype=int),
):
    row, joint = wp.tid()
    if not wp.isnan(asked[row, joint]):
        control[row, joint] = wp.clamp(asked[row, joint], low[joint], high[joint])
    if row + joint == 0:
        told[0] = count[0]
        count[0] = 0


@wp.kernel
def _take(
    mask: wp.array(dtype=wp.bool),
    root: wp.array3d(dtype=float),
    dof: wp.array3d(dtype=float),
    round: int,
    first_moved: int,
    new_root: wp.array3d(dtype=float),
    new_dof: wp.array3d(dtype=float),
    listed: wp.array(dtype=int),
    count: wp.array(dtype=int),
    robots: wp.array(dtype=int),
    moved: wp.array(dtype=int),
):
    row, column = wp.tid()
    if not mask[row]:
        return
    actors, width, joint_width = root.shape[1], root.shape[2], dof.shape[2]
    joint_column = column - actors * width
    if joint_column < 0:
        part, number = column // width, column % width
        new_root[row, part, number] = root[row, part, number]
    else:
        joint, number = joint_column // joint_width, joint_column % joint_width
        new_dof[row, joint, number] = dof[row, joint, number]
    if column == 0 and wp.atomic_max(listed, row, round) < round:
        place = wp.atomic_add(count, 0, 1)
        robots[place] = row * actors
        for actor in range(first_moved, actors):
            moved[place * (actors - first_moved) + actor - first_moved] = row * actors + actor


_TAKEN = ("new_root", "new_dof", "listed", "count", "robots", "moved")


class DeviceBlock:
    """Fields as Warp arrays on the device that JAX computes on."""

    fds: tuple[int, ...] = ()
    """Open files that the worker inherits: none here."""
    round: int
    """Number of the step that marked states wait for."""

    def __init__(self, layout: Layout, control_range: np.ndarray):
        wp.config.log_level = wp.LOG_ERROR  # or Warp reports every kernel that it loads
        self._layout, self.round = layout, 1
        ordinal = jax.local_devices()[0].local_hardware_id or 0
        self._device = wp.get_device(f"cuda:{ordinal}")
        self._cuda = Cuda(ordinal)
        self.gpu = self._cuda.uuid()
        self._control_range = [
            wp.array(limit, dtype=float, device=self._device) for limit in control_range
        ]
        self._base = self._cuda.allocate(layout.size)
        self._own = {
            name: self._at(self._base + field.offset, field)
            for name, field in layout.fields.items()
        }
        self._fields = dict(self._own)
        self._mapped: dict[str, int] = {}  # bases of the worker's allocations by handle
        # JAX's memory that queued work here reads: since the last step, for it, and for earlier ones
        self._lent: list[jax.Array] = []
        self._lent_asked: list[jax.Array] = []
        self._lent_before: list[jax.Array] = []
        self._gate: Gate | None = None
        self._told: Any = wp.zeros(1, dtype=wp.int32, device=self._device)

    @property
    def address(self) -> Message:
        """Where the worker finds the block."""
        return {"handle": self._cuda.export(self._base).handle, "device": self.gpu}

    def adopt(self, answer: Message, wanted: str) -> tuple[bool, str]:
        """Takes the worker's own tensors if that is `wanted` and can be.

        Returns:
          Whether the worker must pack its state into the block, and why.

        Raises:
          WorkerError: `wanted` is "direct" and it cannot be.
        """
        self._fields = dict(self._own)
        if wanted == "arena":
            return True, "as asked"
        try:
            if "exports" not in answer:
                raise CudaError(f"the worker cannot export them: {answer.get('export_error')}")
            for name, (handle, offset) in answer["exports"].items():
                field = self._layout.fields[name]
                self._fields[name] = self._at(self._open(handle) + offset, field)
        except CudaError as error:
            self.release()
            if wanted == "direct":
                raise WorkerError(f"--isaacgym.handover direct: {error}; valid: arena") from None
            return True, f"Isaac Gym's own tensors cannot be had ({error})"
        return False, f"{'as asked' if wanted == 'direct' else 'auto'}: Isaac Gym's own tensors"

    def attend(self, worker: Worker, pack: bool, limit_s: float) -> Gate:
        """Turns with a worker that has opened the block, taken by the stream of this block's work."""
        device = self._device
        jax_stream = _stream_of_jax() if device.is_cuda else None
        self._gate = Gate(worker, self._cuda, device, pack, limit_s, jax_stream)
        where = self._gate.rows_address
        self._told = wp.array(ptr=where, shape=(1,), dtype=wp.int32, device=device)
        return self._gate

    def views(self) -> Views:
        """`root`, `dof` and `contact` as JAX arrays, zero-copy."""
        # whoever reads the views comes after all that was lent for that step: rule 4 of the bridge
        self._lent_before, self._lent_asked = self._lent_asked, []
        fields = {name: self._fields[name] for name in SHOWN if name in self._fields}
        if self._gate is not None:
            return self._gate.to_jax(fields)
        return {name: bridge.to_jax(field) for name, field in fields.items()}

    def put_control(self, control: jax.Array) -> None:
        """Queues a copy of `control [N, U]` behind the call that computes them.

        Each is kept within what its drive takes; one that is no number leaves the last one there.
        """
        with wp.ScopedDevice(self._device):
            asked, count = wp.from_dlpack(bridge.lend(control)), self._own["count"]
            inputs = [asked, *self._control_range, count]
            out = [self._own["control"], self._told]
            wp.launch(_aim, control.shape, inputs=inputs, outputs=out)
        self._lent_asked += [*self._lent, control]
        self._lent = []
        self.round += 1

    def mark(self, mask: jax.Array, views: Views) -> None:
        """New state of the scenes whose `mask [N]` is true; earlier marks stay."""
        lent = (mask, views["root"], views["dof"])
        out = [self._own[name] for name in _TAKEN]
        columns = sum(field.size // field.shape[0] for field in out[:2])
        with wp.ScopedDevice(self._device):
            inputs = [wp.from_dlpack(bridge.lend(array)) for array in lent]
            dim = mask.shape[0], columns
            wp.launch(
                _take, dim, inputs=[*inputs, self.round, self._layout.first_moved], outputs=out
            )
        self._lent += lent

    def read(self, name: str) -> np.ndarray:
        """A copy of a field on the host."""
        return np.array(self._fields[name].numpy())

    def fill(self, name: str, value: np.ndarray) -> None:
        """Overwrites a field."""
        self._fields[name].assign(value)

    def usage(self) -> Report:
        """How busy and how full the device is."""
        return gpu.usage(self._device)

    def release(self) -> None:
        """Waits for what was asked, and unmaps the worker's memory; the fields are the block's own.

        Raises:
          DeviceLostError: there is no device to wait for, and nothing on it to give back.
        """
        with gpu.waiting():
            wp.synchronize_device(self._device)
        if self._gate is not None:
            self._gate.close()
        self._gate, self._told = None, wp.zeros(1, dtype=wp.int32, device=self._device)
        self._fields = dict(self._own)
        for base in self._mapped.values():
            self._cuda.close(base)
        self._mapped = {}

    def close(self) -> None:
        """Frees the block. May be called again; views of it must not be read any more."""
        if self._base:
            self._fields, self._own = {}, {}
            self._cuda.free(self._base)
        self._base = 0

    def _open(self, handle: str) -> int:
        """Two tensors may lie in one allocation, and a handle opens once."""
        if handle not in self._mapped:
            self._mapped[handle] = self._cuda.open(handle)
        return self._mapped[handle]

    def _at(self, address: int, field: Field) -> "wp.array":
        dtype = _DTYPES[field.dtype]
        return wp.array(ptr=address, shape=field.shape, dtype=dtype, device=self._device)


def _stream_of_jax() -> int:
    """The stream on which JAX runs what it is given; a call into Warp is told it."""
    found: list[int] = []

    def look(_: wp.array(dtype=float), __: wp.array(dtype=float)):
        found.append(wp.get_stream().cuda_stream)

    ask = wp.jax_callable(look, graph_mode=wp.JaxCallableGraphMode.NONE)
    ask(jnp.zeros(1))[0].block_until_ready()
    return found[0]
