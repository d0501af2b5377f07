"""MuJoCo's C engine behind the contract: many scenes on a thread pool, bit-reproducible.

MuJoCo keeps its state in float64 rows, JAX wants float32. `step` and `restore` end with that one
conversion, into buffers that `views` hands out without another copy; it is the only copy between
the engine and the learner.
"""

# pyright: reportAttributeAccessIssue=false
# mujoco's names come from a compiled module without stubs.

from collections.abc import Callable
from typing import final

import jax
import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from screwpush_sim import bridge
from screwpush_sim.clock import HostClock, Report
from screwpush_sim.engines import mujoco_layout
from screwpush_sim.engines.mujoco_variation import build_model, vary
from screwpush_sim.errors import SimClosedError
from screwpush_sim.inputs import Inputs, check_snapshot, kept_params
from screwpush_sim.options import MujocoConfig
from screwpush_sim.protocol import SimSpec, Snapshot, Views
from screwpush_sim.scene import Scene, first_control
from screwpush_sim.variation import Params, to_jax


@final
class MujocoCpu:
    """`num_envs` scenes on the host."""

    def __init__(
        self, scene: Scene, num_envs: int, config: MujocoConfig, params: Params | None = None
    ):
        mujoco.set_mju_user_warning(_ignore_warning)
        self._params = params or {}
        self.params = to_jax(self._params)
        model = build_model(scene, self._params)
        model.opt.iterations = scene.physics.solver_iterations or config.solver_iterations
        self._batch: Batch | None = Batch(model, num_envs, config.num_threads)
        if self._params:
            vary(self._batch, scene, self._params)
        self._decimation = scene.physics.decimation
        self._control_range = np.array(scene.robot.control_range)
        layout = mujoco_layout.make_layout(scene)
        self.unpack, self.pack = layout.unpack, layout.pack
        self._qpos, self._qvel, self._ctrl, self._warmstart = (
            self._batch.bind(name) for name in ("qpos", "qvel", "ctrl", "qacc_warmstart")
        )
        self._qpos[:, layout.joints.qpos] = scene.robot.home_rad
        self._ctrl[:] = first_control(scene.robot)
        self._views = {
            "qpos": bridge.aligned_zeros(self._qpos.shape, np.float32),
            "qvel": bridge.aligned_zeros(self._qvel.shape, np.float32),
        }
        self._rows = {"qpos": self._qpos, "qvel": self._qvel}
        if scene.contact_links:
            self._rows["contact"] = self._batch.bind("sensordata")
            shape = self._rows["contact"].shape
            self._views["contact"] = bridge.aligned_zeros(shape, np.float32)
        self.spec = SimSpec(
            engine="mujoco",
            num_envs=num_envs,
            scene=scene,
            deterministic=True,
        )
        self._clock = HostClock()
        self._refresh()
        self._inputs = Inputs(self.spec, self.views())

    def views(self) -> Views:
        self._open()
        return {name: bridge.to_jax(buffer) for name, buffer in self._views.items()}

    def write(self, mask: jax.Array, views: Views) -> None:
        self._open()
        self._inputs.check_write(mask, views)
        rows = np.flatnonzero(bridge.to_host(mask))
        self._qpos[rows] = bridge.to_host(views["qpos"])[rows]
        self._qvel[rows] = bridge.to_host(views["qvel"])[rows]
        self._warmstart[rows] = 0.0

    def step(self, control: jax.Array) -> None:
        batch = self._open()
        self._inputs.check_control(control)
        asked = bridge.to_host(control)
        # MuJoCo would send every joint of a scene to 0 for one number that it takes for bad
        np.copyto(self._ctrl, np.clip(asked, *self._control_range), where=~np.isnan(asked))
        self._clock.begin()
        failed = np.empty(0, int)
        try:
            batch.step(nstep=self._decimation)
        except SimulationError as error:  # these scenes stood still, the others went on
            failed = error.ids
        self._refresh()
        for buffer in self._views.values():
            buffer[failed] = np.nan
        self._clock.end()

    def report(self) -> Callable[[], Report]:
        self._open()
        return self._clock.lap()

    def snapshot(self) -> Snapshot:
        snapshot = {"state": self._open().state.copy()} | kept_params(self._params)
        if "contact" in self._views:  # of the step that has ended, and in no state of MuJoCo's
            snapshot["contact"] = self._views["contact"].copy()
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        batch = self._open()
        state = batch.state
        wanted = {"state": (state.shape, state.dtype)}
        if "contact" in self._views:
            wanted["contact"] = (self._views["contact"].shape, np.dtype(np.float32))
        check_snapshot("mujoco", wanted, snapshot, self._params)
        state[:] = snapshot["state"]
        self._refresh()
        if "contact" in self._views:
            self._views["contact"][:] = snapshot["contact"]

    def close(self) -> None:
        self._batch = None

    def _open(self) -> Batch:
        if self._batch is None:
            raise SimClosedError("this simulator was closed; make a new one")
        return self._batch

    def _refresh(self) -> None:
        """float64 to float32: the one copy."""
        with np.errstate(over="ignore", invalid="ignore"):
            for name, view in self._views.items():
                np.copyto(view, self._rows[name], casting="same_kind")


def _ignore_warning(message: str) -> None:
    """MuJoCo would print and append to a log file in the working folder; the task judges states."""
