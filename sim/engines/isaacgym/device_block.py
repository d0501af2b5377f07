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

from screwpush_sim import bridge, gpu
from screwpush_sim.clock import Report
from screwpush_sim.engines.isaacgym.process import Worker
from screwpush_sim.engines.isaacgym.stream_handshake import StreamHandshake
from screwpush_sim.engines.isaacgym.worker.block_layout import SHOWN, BlockLayout, Field
from screwpush_sim.engines.isaacgym.worker.cuda import Cuda, CudaError
from screwpush_sim.engines.isaacgym.worker.messages import Message
from screwpush_sim.errors import WorkerError
from screwpush_sim.protocol import Views

_DTYPES = {"float32": wp.float32, "int32": wp.int32}


@wp.kernel
def _write_control(
    asked: wp.array2d(dtype=float),  # [N, U] JAX's
    low: wp.array(dtype=float),  # [U]
    high: wp.array(dtype=float),  # [U]
    count: wp.array(dtype=int),  # [1] environments in the lists of new states
    control: wp.array2d(dtype=float),  # [N, U] the worker's input
    rows: wp.array(dtype=int),  # [1] in the handshake's page: how many of the lists it reads
):
    """The learner's last work before a step: writes its controls and closes the lists of new states.

    One thread for each control. What is no number leaves the last control in its place, so that the
    worker never sees one. `count` is known on the device only, where `_stage_states` raised it while
    the host ran ahead; so it goes from here into the page that the worker reads, and the lists begin
    again for the step after.
    """
    row, joint = wp.tid()
    if not wp.isnan(asked[row, joint]):
        control[row, joint] = wp.clamp(asked[row, joint], low[joint], high[joint])
    if row + joint == 0:
        rows[0] = count[0]
        count[0] = 0


@wp.kernel
def _stage_states(
    mask: wp.array(dtype=wp.bool),  # [N]
    root: wp.array3d(dtype=float),  # [N, 1 + B, 13] JAX's new states
    dof: wp.array3d(dtype=float),  # [N, J, 2]
    step_number: int,  # of the step that will take them
    first_moved: int,  # first actor of an environment whose place is written: 1 if the base is fixed
    new_root: wp.array3d(dtype=float),  # [N, 1 + B, 13] in the block
    new_dof: wp.array3d(dtype=float),  # [N, J, 2]
    listed: wp.array(dtype=int),  # [N] number of the last step for which each was listed
    count: wp.array(dtype=int),  # [1] environments in the two lists
    robots: wp.array(dtype=int),  # [N] actor index of each listed environment's robot
    moved: wp.array(dtype=int),  # actor indices of all that takes a new place in them
):
    """Copies the new states of the masked environments into the block, and lists each of these once.

    One thread for each number of an environment's state: those of `root` first, then those of `dof`.
    Isaac Gym takes lists of actor indices without gaps, so the thread of the first number reserves the
    environment's place in both by one atomic add; their order does not matter. Of several writes before
    a step the last one counts, but the environment may be listed only once: `listed`, raised by an
    atomic maximum to the number of the coming step, shows whether it is.
    """
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
    if column == 0 and wp.atomic_max(listed, row, step_number) < step_number:
        place = wp.atomic_add(count, 0, 1)
        robots[place] = row * actors
        for actor in range(first_moved, actors):
            moved[place * (actors - first_moved) + actor - first_moved] = row * actors + actor


_STAGED = ("new_root", "new_dof", "listed", "count", "robots", "moved")


class DeviceBlock:
    """Fields as Warp arrays on the device that JAX computes on."""

    fds: tuple[int, ...] = ()
    """Open files that the worker inherits: none here."""
    step_number: int
    """Number of the step that marked states wait for."""

    def __init__(self, layout: BlockLayout, control_range: np.ndarray):
        wp.config.log_level = wp.LOG_ERROR  # or Warp reports every kernel that it loads
        self._layout, self.step_number = layout, 1
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
        self._lent: list[Any] = []
        self._lent_asked: list[Any] = []
        self._lent_before: list[Any] = []
        self._handshake: StreamHandshake | None = None
        self._rows: Any = wp.zeros(1, dtype=wp.int32, device=self._device)

    @property
    def address(self) -> Message:
        """Where the worker finds the block."""
        return {"handle": self._cuda.export(self._base).handle, "device": self.gpu}

    def negotiate(self, answer: Message, wanted: str) -> tuple[bool, str]:
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

    def connect(self, worker: Worker, pack: bool, limit_s: float) -> StreamHandshake:
        """The handshake with a worker that has opened the block, by the stream of this block's work."""
        device = self._device
        jax_stream = _stream_of_jax() if device.is_cuda else None
        self._handshake = StreamHandshake(worker, self._cuda, device, pack, limit_s, jax_stream)
        where = self._handshake.rows_address
        self._rows = wp.array(ptr=where, shape=(1,), dtype=wp.int32, device=device)
        return self._handshake

    def views(self) -> Views:
        """`root`, `dof` and `contact` as JAX arrays, zero-copy."""
        # whoever reads the views comes after all that was lent for that step: rule 4 of the bridge
        self._lent_before, self._lent_asked = self._lent_asked, []
        fields = {name: self._fields[name] for name in SHOWN if name in self._fields}
        if self._handshake is not None:
            return self._handshake.to_jax(fields)
        return {name: bridge.to_jax(field) for name, field in fields.items()}

    def put_control(self, control: jax.Array) -> None:
        """Queues a copy of `control [N, U]` behind the call that computes them.

        Each is kept within what its drive takes; one that is no number leaves the last one there.
        """
        with wp.ScopedDevice(self._device):
            asked, count = wp.from_dlpack(bridge.lend(control)), self._own["count"]
            inputs = [asked, *self._control_range, count]
            out = [self._own["control"], self._rows]
            wp.launch(_write_control, control.shape, inputs=inputs, outputs=out)
        self._lent_asked += [*self._lent, asked]
        self._lent = []
        self.step_number += 1

    def stage(self, mask: jax.Array, views: Views) -> None:
        """New state of the scenes whose `mask [N]` is true; earlier marks stay."""
        out = [self._own[name] for name in _STAGED]
        columns = sum(field.size // field.shape[0] for field in out[:2])
        with wp.ScopedDevice(self._device):
            arrays = mask, views["root"], views["dof"]
            lent = [wp.from_dlpack(bridge.lend(array)) for array in arrays]
            dim = mask.shape[0], columns
            wp.launch(
                _stage_states,
                dim,
                inputs=[*lent, self.step_number, self._layout.first_moved],
                outputs=out,
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
        if self._handshake is not None:
            self._handshake.close()
        self._handshake, self._rows = None, wp.zeros(1, dtype=wp.int32, device=self._device)
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
    """The stream on which JAX runs what it is given; a call into Warp receives it."""
    found: list[int] = []

    def record(_: wp.array(dtype=float), __: wp.array(dtype=float)):
        found.append(wp.get_stream().cuda_stream)

    ask = wp.jax_callable(record, graph_mode=wp.JaxCallableGraphMode.NONE)
    ask(jnp.zeros(1))[0].block_until_ready()
    return found[0]
