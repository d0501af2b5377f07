"""MuJoCo Warp behind the contract: thousands of scenes on one GPU, one CUDA graph a control step.

The graph is captured once, so every tensor that it touches keeps its address for life: state goes
in and out by copies into, and views of, the same memory. Without a CUDA device Warp's CPU
back end runs the same kernels, slowly: good for tests.
"""

# pyright: reportAttributeAccessIssue=false, reportIndexIssue=false, reportInvalidTypeForm=false
# pyright: reportArgumentType=false, reportReturnType=false, reportAssignmentType=false
# pyright: reportGeneralTypeIssues=false
# warp's kernels are a language of their own, and its arrays and mujoco's names carry no types.

import weakref
from collections.abc import Callable
from typing import final

import jax
import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

from screwpush_sim import bridge, gpu
from screwpush_sim.clock import Report
from screwpush_sim.engines import mujoco_layout
from screwpush_sim.engines.mujoco_variation import build_model, varied_fields
from screwpush_sim.errors import SimClosedError, SimOverflowError
from screwpush_sim.event_clock import make_clock
from screwpush_sim.inputs import Inputs, check_snapshot, kept_params
from screwpush_sim.options import MujocoWarpConfig
from screwpush_sim.protocol import SimSpec, Snapshot, Views
from screwpush_sim.scene import Scene, first_control
from screwpush_sim.variation import Params, to_jax

_LOST = int(
    mjw.OverflowType.NEFC
    | mjw.OverflowType.NJMAX_NNZ
    | mjw.OverflowType.BROADPHASE
    | mjw.OverflowType.NARROWPHASE
    | mjw.OverflowType.CCD
    | mjw.OverflowType.EPA_HORIZON
)
"""Overflows in which contacts were dropped; the solver's iteration limits lose none."""
_PEAK_CONTACTS, _PEAK_CONSTRAINTS, _LOST_STEPS = 0, 1, 2  # places in the figures
_SNAPSHOT = ("qpos", "qvel", "ctrl", "qacc_warmstart", "sensordata")
"""The sensors hold the contact forces of the step that has ended: no state of MuJoCo's has them."""
_NOT_IN_WARP = {"dof_M0", "dof_length", "bvh_aabb"}
"""Constants of mechanisms that Warp does not have, or has one of for all scenes: sleep, the host's tree."""


@wp.kernel
def _write_control(
    asked: wp.array2d(dtype=float),
    low: wp.array(dtype=float),
    high: wp.array(dtype=float),
    targets: wp.array2d(dtype=float),
):
    world, joint = wp.tid()
    if not wp.isnan(asked[world, joint]):
        targets[world, joint] = wp.clamp(asked[world, joint], low[joint], high[joint])


@wp.kernel
def _write(
    mask: wp.array(dtype=wp.bool),
    new_qpos: wp.array2d(dtype=float),
    new_qvel: wp.array2d(dtype=float),
    qpos: wp.array2d(dtype=float),
    qvel: wp.array2d(dtype=float),
    warmstart: wp.array2d(dtype=float),
):
    world, index = wp.tid()
    if mask[world]:
        qpos[world, index] = new_qpos[world, index]
        if index < qvel.shape[1]:
            qvel[world, index] = new_qvel[world, index]
            warmstart[world, index] = 0.0


@wp.kernel
def _watch(
    contacts: wp.array(dtype=int),
    constraints: wp.array(dtype=int),
    overflow: wp.array(dtype=int),
    figures: wp.array(dtype=int),
):
    world = wp.tid()
    if world == 0:
        wp.atomic_max(figures, _PEAK_CONTACTS, contacts[0])
    wp.atomic_max(figures, _PEAK_CONSTRAINTS, constraints[world])
    if (overflow[world] & _LOST) != 0:
        wp.atomic_add(figures, _LOST_STEPS, 1)
    overflow[world] = 0


_LIVING: "weakref.WeakSet[MujocoWarp]" = weakref.WeakSet()
"""Those that were built; some of them were closed since."""


@final
class MujocoWarp:
    """`num_envs` scenes on the device that JAX computes on.

    What is built while another lives there queues its work on a stream of its own, so that the physics of
    both runs at once where one leaves room. Else the stream is the device's, as Warp has it.
    """

    def __init__(
        self, scene: Scene, num_envs: int, config: MujocoWarpConfig, params: Params | None = None
    ):
        wp.config.log_level = wp.LOG_ERROR  # or Warp reports every kernel that it loads
        place = bridge.device()  # as JAX counts the GPUs that this process sees, so does Warp
        gpu_name = f"cuda:{place.local_hardware_id}"
        self._device = wp.get_device(gpu_name if place.platform == "gpu" else "cpu")
        beside = any(other.is_on(self._device) for other in _LIVING)
        self._stream = wp.Stream(self._device) if beside and self._device.is_cuda else None
        self._config, self._decimation = config, scene.physics.decimation
        self._has_contact = bool(scene.contact_links)
        self._kept = _SNAPSHOT if self._has_contact else _SNAPSHOT[:-1]
        layout = mujoco_layout.make_layout(scene)
        self.unpack, self.pack = layout.unpack, layout.pack
        self._params = params or {}
        self.params = to_jax(self._params)
        model = build_model(scene, self._params)
        model.opt.iterations = scene.physics.solver_iterations or config.solver_iterations
        # Warp never resets a scene by itself and does not know the flag that says so
        model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
        with self._queue():
            self._model = _put_model(model, scene, self._params)
            self._model.opt.warn_overflow = 0  # counted by `_watch` instead of printed
            self._data: mjw.Data | None = mjw.make_data(
                model,
                nworld=num_envs,
                nconmax=config.contacts_per_scene,
                njmax=config.constraints_per_scene,
            )
            self._figures = wp.zeros(3, dtype=int)
            self._asked = wp.zeros_like(self._data.ctrl)  # the graph reads targets where they lie
            self._control_range = [wp.array(r, dtype=float) for r in scene.robot.control_range]
        self.spec = SimSpec(
            engine="mujoco_warp",
            num_envs=num_envs,
            scene=scene,
            deterministic=self._device.is_cpu,  # on a GPU atomics add in any order
        )
        self._lent: list[wp.array] = []  # JAX's memory that queued work here still reads
        self._lent_before: list[wp.array] = []
        self._clock = make_clock(self._device)
        self._steps = 0  # control steps since the last report
        control = np.tile(np.float32(first_control(scene.robot)), (num_envs, 1))
        with self._queue():
            qpos = self._data.qpos.numpy()
            qpos[:, layout.joints.qpos] = scene.robot.home_rad
            self._data.qpos.assign(qpos)
            self._data.ctrl.assign(control)
            self._asked.assign(control)
        self._inputs = Inputs(self.spec, self.views())
        self._graph = self._capture() if self._device.is_cuda else None
        _LIVING.add(self)

    def is_on(self, device: "wp.Device") -> bool:
        """Whether it steps on `device`, and was not closed."""
        return self._data is not None and self._device == device

    def _queue(self):
        """Around all that the device is given to do, in its order."""
        if self._stream is None:
            return wp.ScopedDevice(self._device)
        return wp.ScopedStream(self._stream, sync_enter=False)

    def views(self) -> Views:
        data = self._open()
        # whoever reads the views is ordered after all that was queued here: rule 4 of the bridge
        self._lent_before, self._lent = self._lent, []
        arrays = {"qpos": data.qpos, "qvel": data.qvel}
        if self._has_contact:
            arrays["contact"] = data.sensordata
        with self._queue():
            return {name: bridge.to_jax(array) for name, array in arrays.items()}

    def write(self, mask: jax.Array, views: Views) -> None:
        data = self._open()
        self._inputs.check_write(mask, views)
        with self._queue():
            arrays = mask, views["qpos"], views["qvel"]
            lent = [wp.from_dlpack(bridge.lend(array)) for array in arrays]
            wp.launch(
                _write,
                dim=data.qpos.shape,
                inputs=lent,
                outputs=[data.qpos, data.qvel, data.qacc_warmstart],
            )
        self._lent += lent

    def step(self, control: jax.Array) -> None:
        self._open()
        self._inputs.check_control(control)
        with self._queue():
            targets = wp.from_dlpack(bridge.lend(control))
            self._clock.begin()
            wp.copy(self._asked, targets)
            if self._graph is None:
                self._control_step()
            else:
                wp.capture_launch(self._graph)
            self._clock.end()
        self._steps += 1
        self._lent.append(targets)

    def report(self) -> Callable[[], Report]:
        data, lap = self._open(), self._clock.lap()
        steps, self._steps = self._steps, 0
        with self._queue():
            figures = wp.clone(self._figures)
            self._figures.zero_()

        def read() -> Report:
            report = lap()
            with self._queue():
                peak, rows, lost = (int(value) for value in figures.numpy())
            report["perf/contact_peak"] = peak / data.naconmax
            report["perf/constraint_peak"] = rows / data.njmax
            report["perf/overflow"] = float(lost)
            if self._device.is_cuda:
                report |= gpu.usage(self._device)
            allowed, of = self._allowed(steps)
            if lost > allowed:
                raise SimOverflowError(
                    f"contacts were lost in {lost} of {of} physics steps of the scenes, more than"
                    f" the {allowed:g} allowed (peaks: {peak} contacts of {data.naconmax}, {rows}"
                    f" constraints of {data.njmax} in one scene); raise"
                    " --mujoco-warp.contacts-per-scene or --mujoco-warp.constraints-per-scene"
                )
            return report

        return read

    def snapshot(self) -> Snapshot:
        data = self._open()
        with self._queue():
            state = {name: getattr(data, name).numpy().copy() for name in self._kept}
        return state | kept_params(self._params)

    def restore(self, snapshot: Snapshot) -> None:
        data = self._open()
        wanted = {name: (getattr(data, name).shape, np.float32) for name in self._kept}
        check_snapshot("mujoco_warp", wanted, snapshot, self._params)
        with self._queue():
            for name in self._kept:
                getattr(data, name).assign(snapshot[name])

    def close(self) -> None:
        """May be called again. Raises `DeviceLostError` if the device was lost on the way."""
        try:
            if self._data is not None:
                with gpu.waiting():
                    wp.synchronize_device(self._device)
        finally:
            self._data = self._graph = None
            self._lent = self._lent_before = []

    def _open(self) -> "mjw.Data":
        if self._data is None:
            raise SimClosedError("this simulator was closed; make a new one")
        return self._data

    def _allowed(self, control_steps: int) -> tuple[float, int]:
        """In how many of the scenes' physics steps contacts may be lost, and how many there were.

        A scene that is too crowded stays so through the control step, so losses come by up to
        `decimation` at once. One such event is no reason to stop: it would be more than the share in
        any report of few scenes and steps.
        """
        decimation = self._decimation
        of = control_steps * decimation * self.spec.num_envs
        return max(self._config.max_overflow_share * of, decimation), of

    def _control_step(self) -> None:
        data = self._open()
        inputs = [self._asked, *self._control_range]
        wp.launch(_write_control, data.ctrl.shape, inputs=inputs, outputs=[data.ctrl])
        for _ in range(self._decimation):
            mjw.step(self._model, data)
            watched = [data.nacon, data.nefc]
            wp.launch(
                _watch, self.spec.num_envs, inputs=watched, outputs=[data.overflow, self._figures]
            )

    def _capture(self) -> "wp.Graph":
        """The control step as a graph, captured after a run that loads every kernel."""
        data = self._open()
        before = self.snapshot()
        with self._queue():
            self._control_step()
            with wp.ScopedCapture() as capture:
                self._control_step()
        self.restore(before)
        with self._queue():
            self._figures.zero_()
            data.overflow.zero_()
        return capture.graph


def _put_model(model: "mujoco.MjModel", scene: Scene, params: Params) -> "mjw.Model":
    """The model on the device; only what differs between scenes has a row for each of them."""
    if not params:
        return mjw.put_model(model)
    fields = varied_fields(model, scene, params)
    for name in _NOT_IN_WARP & fields.keys():
        del fields[name]
    put = mjw.put_model(model, {name: len(value) for name, value in fields.items()})
    for name, value in fields.items():
        array = getattr(put, name)
        like = array.numpy()
        array.assign(value.astype(like.dtype).reshape(like.shape))
    return put
