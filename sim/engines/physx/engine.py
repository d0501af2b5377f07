"""PhysX 5 behind the contract: all scenes in one PhysX scene, on a GPU or on the CPU.

State is read into, and written from, memory that JAX shares (`tensors.py`). How the ordering rule of
`sim/bridge.py` is kept on a GPU: Warp's stream waits for JAX's when it imports what JAX lends, and the
host waits for Warp's once in a `step`, before PhysX is called (rule 2), whose calls return when they are
done (rule 3). What JAX lent has been read after that wait and is referenced until then (rule 4). The
kernel that ends a step runs on, and JAX's stream waits for it when it imports the views.
"""

# pyright: reportArgumentType=false
# warp's arrays and devices carry no types.

from collections.abc import Callable
from typing import final

import jax
import numpy as np
import warp as wp

from screwpush_sim import bridge, gpu
from screwpush_sim.clock import HostClock, Report
from screwpush_sim.engines.physx import library
from screwpush_sim.engines.physx.layout import make_layout
from screwpush_sim.engines.physx.overflows import remedy
from screwpush_sim.engines.physx.session import Session, joint_order
from screwpush_sim.engines.physx.tensors import Tensors, to_warp
from screwpush_sim.engines.physx.variation import slippery_ground, vary
from screwpush_sim.errors import DeviceMismatchError, SimClosedError, SimOverflowError
from screwpush_sim.inputs import Inputs, check_snapshot, kept_params
from screwpush_sim.options import PhysxConfig
from screwpush_sim.protocol import SimSpec, Snapshot, Views
from screwpush_sim.scene import Scene, first_control
from screwpush_sim.state import home_state
from screwpush_sim.variation import Params, to_jax

_REFRESH_S = 1e-6
_SPACING_M = 4.0
"""Between the scenes on the CPU: a power of two, so that places are exact in float32."""


@final
class Physx:
    """`num_envs` scenes on the device that JAX computes on."""

    def __init__(
        self, scene: Scene, num_envs: int, config: PhysxConfig, params: Params | None = None
    ):
        wp.config.log_level = wp.LOG_ERROR  # or Warp reports every kernel that it loads
        ordinal = _gpu_ordinal(config)
        self._device = wp.get_device("cpu" if ordinal is None else f"cuda:{ordinal}")
        self._config, self._physics = config, scene.physics
        self._params = params or {}
        self.params = to_jax(self._params)
        slips = slippery_ground(scene, self._params)
        self._refreshes = self._device.is_cuda and config.refresh_after_write
        self._lent: list[wp.array] = []  # JAX's memory that queued work here still reads
        origins = spiral(num_envs) * (_SPACING_M if ordinal is None else 0.0)
        places = [(float(x), float(y)) for x, y in origins]
        self._session: Session | None = Session(
            scene, places, config, ordinal, slippery_ground=slips
        )
        try:
            names = self._session.bind_robots("ARTICULATION_DOF_POSITION").dof_names
            order = joint_order(scene, list(names))
            gain = self._params.get("drive_gain", np.ones(num_envs, np.float32))
            self._tensors = Tensors(self._session, scene, origins, order, gain, self._device)
            layout = make_layout(scene, order)
            self.unpack, self.pack = layout.unpack, layout.pack
            self.spec = SimSpec(
                engine="physx",
                num_envs=num_envs,
                scene=scene,
                deterministic=False,  # contacts keep a memory that no state has
            )
            self._clock = HostClock()
            self._session.warm_up()
            if self._params:
                vary(self._session, scene, self._params)
            self._inputs = Inputs(self.spec, self.views())
            home = self.pack(home_state(scene, num_envs))
            control = np.tile(np.float32(first_control(scene.robot)), (num_envs, 1))
            self._put({name: np.asarray(value) for name, value in home.items()}, control)
        except BaseException:
            self._session.close()
            raise
        library.OVERFLOWS.take()

    def views(self) -> Views:
        self._open()
        return self._tensors.views()

    def write(self, mask: jax.Array, views: Views) -> None:
        self._open()
        self._inputs.check_write(mask, views)
        with wp.ScopedDevice(self._device):
            new, where = {name: to_warp(view) for name, view in views.items()}, to_warp(mask)
            self._tensors.take_state(where, new)
        self._lent += [where, *new.values()]

    def step(self, control: jax.Array) -> None:
        session, tensors = self._open(), self._tensors
        self._inputs.check_control(control)
        with wp.ScopedDevice(self._device):
            tensors.take_control(to_warp(control))
            is_new = tensors.wait()
            self._lent.clear()
            if is_new:
                tensors.give_poses()
            self._clock.begin()
            if is_new:
                self._give_velocities(session)
            tensors.command()
            for _ in range(self._physics.decimation):
                tensors.push()
                session.step(self._physics.dt_s)
            tensors.read()
            self._clock.end()

    def _give_velocities(self, session: Session) -> None:
        """Of the scenes that were written anew; before, PhysX may find its contacts anew, without a move.

        Measured on a GPU: the first step after a write takes the contacts from where the shapes were,
        with levers as long as the way between. In a microsecond they do nothing to positions, and
        velocities, which they may well change, are given back everywhere.
        """
        if self._refreshes:
            session.step(_REFRESH_S)
        self._tensors.give_velocities(everywhere=self._refreshes)

    def report(self) -> Callable[[], Report]:
        self._open()
        lap, (lost, said) = self._clock.lap(), library.OVERFLOWS.take()
        allowed_share, num_envs = self._config.max_overflow_share, self.spec.num_envs

        def read() -> Report:
            report = lap() | {"perf/overflow": float(lost)}
            if self._device.is_cuda:
                report |= gpu.usage(self._device)
            steps = int(report["perf/steps"]) * self._physics.decimation
            if lost > allowed_share * steps:
                raise SimOverflowError(
                    f"PhysX said {lost} times in {steps} physics steps that a buffer was too small, more"
                    f" than the {allowed_share * steps:g} allowed; {remedy(said, num_envs)} (last: {said})"
                )
            return report

        return read

    def snapshot(self) -> Snapshot:
        self._open()
        state = {name: array.numpy().copy() for name, array in self._kept().items()}
        return state | kept_params(self._params)

    def restore(self, snapshot: Snapshot) -> None:
        self._open()
        wanted = {name: (tuple(a.shape), np.float32) for name, a in self._kept().items()}
        check_snapshot("physx", wanted, snapshot, self._params)
        views = {name: snapshot[name] for name in self._tensors.arrays}
        self._put(views, snapshot["control"])

    def close(self) -> None:
        """May be called again. Raises `DeviceLostError` if the device was lost on the way."""
        session, self._session = self._session, None
        if session is not None:
            try:
                if self._device.is_cuda:
                    with gpu.waiting():
                        wp.synchronize_device(self._device)
            finally:
                self._lent.clear()
                session.close()

    def _open(self) -> Session:
        if self._session is None:
            raise SimClosedError("this simulator was closed; make a new one")
        return self._session

    def _kept(self) -> dict[str, "wp.array"]:
        return self._tensors.arrays | {"control": self._tensors.control}

    def _put(self, views: dict[str, np.ndarray], control: np.ndarray) -> None:
        """The state and the control of all scenes."""
        with wp.ScopedDevice(self._device):
            for name, array in self._tensors.arrays.items():
                array.assign(views[name])
            everywhere = wp.array(np.ones(self.spec.num_envs, bool), dtype=wp.bool)
            new = {name: wp.clone(array) for name, array in self._tensors.arrays.items()}
            self._tensors.take_state(everywhere, new)
            self._tensors.control.assign(control)


def spiral(count: int) -> np.ndarray:
    """The `count` points of whole numbers nearest to zero, itself the first: `[N, 2]`, in rings."""
    reach = int(np.ceil(np.sqrt(count))) // 2 + 1
    axis = np.arange(-reach, reach + 1)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    ring = np.abs(points).max(axis=1)
    return points[np.argsort(ring, kind="stable")][:count].astype(np.float64)


def _gpu_ordinal(config: PhysxConfig) -> int | None:
    """The CUDA device, as JAX and Warp both count those that the process sees; None: the CPU.

    Raises:
      DeviceMismatchError: JAX computes elsewhere than PhysX is told to.
    """
    place = bridge.device()
    on_gpu = place.platform == "gpu"
    if config.pipeline != "auto" and (config.pipeline == "gpu") != on_gpu:
        raise DeviceMismatchError(
            f"engine physx: --physx.pipeline {config.pipeline}, but JAX computes on"
            f" {place.platform}; valid: auto, {'gpu' if on_gpu else 'cpu'}"
        )
    return place.local_hardware_id if on_gpu else None
