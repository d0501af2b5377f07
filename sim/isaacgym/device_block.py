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
import numpy as np
import warp as wp

from sim import bridge, gpu
from sim.clock import Report
from sim.errors import WorkerError
from sim.isaacgym.worker.cuda import Cuda, CudaError
from sim.isaacgym.worker.layout import Field, Layout
from sim.isaacgym.worker.messages import Message
from sim.protocol import Views

_DTYPES = {"float32": wp.float32, "uint8": wp.uint8}
_STATE = ("root", "dof")


@wp.kernel
def _take_rows(
    mask: wp.array(dtype=wp.bool),
    source: wp.array2d(dtype=float),
    out: wp.array2d(dtype=float),
):
    row, column = wp.tid()
    if mask[row]:
        out[row, column] = source[row, column]


@wp.kernel
def _mark_rows(mask: wp.array(dtype=wp.bool), out: wp.array(dtype=wp.uint8)):
    row = wp.tid()
    if mask[row]:
        out[row] = wp.uint8(1)


class DeviceBlock:
    """Fields as Warp arrays on the device that JAX computes on."""

    fds: tuple[int, ...] = ()
    """Open files that the worker inherits: none here."""

    def __init__(self, layout: Layout):
        self._layout = layout
        ordinal = jax.local_devices()[0].local_hardware_id or 0
        self._device = wp.get_device(f"cuda:{ordinal}")
        self._cuda = Cuda(ordinal)
        self.gpu = self._cuda.uuid()
        self._base = self._cuda.allocate(layout.size)
        self._own = {
            name: self._at(self._base + field.offset, field)
            for name, field in layout.fields.items()
        }
        self._fields = dict(self._own)
        self._mapped: dict[str, int] = {}  # bases of the worker's allocations by handle
        self._lent: list[Any] = []

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

    def views(self) -> Views:
        """`root` and `dof` as JAX arrays, zero-copy."""
        return {name: bridge.to_jax(self._fields[name]) for name in _STATE}

    def put_targets(self, targets: jax.Array) -> None:
        """Queues a copy of `targets [N, J]` behind the call that computes them."""
        with wp.ScopedDevice(self._device):
            wp.copy(self._fields["targets"], wp.from_dlpack(bridge.lend(targets)))
        self._lent.append(targets)

    def mark(self, mask: jax.Array, views: Views) -> None:
        """New state of the scenes whose `mask [N]` is true; earlier marks stay."""
        with wp.ScopedDevice(self._device):
            chosen = wp.from_dlpack(bridge.lend(mask))
            for name, view in views.items():
                out = self._fields[f"new_{name}"]
                shape = (out.shape[0], out.size // out.shape[0])
                new: Any = wp.from_dlpack(bridge.lend(view))
                flat = [new.reshape(shape)], [out.reshape(shape)]
                wp.launch(_take_rows, shape, inputs=[chosen, *flat[0]], outputs=flat[1])
            wp.launch(_mark_rows, mask.shape, inputs=[chosen], outputs=[self._fields["mask"]])
        self._lent += [mask, *views.values()]

    def read(self, name: str) -> np.ndarray:
        """A copy of a field on the host."""
        return np.array(self._fields[name].numpy())

    def fill(self, name: str, value: np.ndarray) -> None:
        """Overwrites a field."""
        self._fields[name].assign(value)

    def settle(self) -> None:
        """Waits until this process has read and written all that the worker may now touch.

        Warp's stream waited for the call whose results were lent; what JAX queued after that call
        (the update, say) reads nothing of this block and goes on beside the physics.
        """
        wp.synchronize_stream(self._device.stream)
        self._lent.clear()

    def usage(self) -> Report:
        """How busy and how full the device is."""
        return gpu.usage(self._device)

    def release(self) -> None:
        """Unmaps the worker's memory; the fields are the block's own again."""
        wp.synchronize_device(self._device)
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
