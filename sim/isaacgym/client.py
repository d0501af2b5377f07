"""Isaac Gym behind the contract: physics in a worker process, its tensors in JAX without a copy.

A step is a question to the worker, asked when all that it may touch has been read and written, and
answered when it has finished with all of it (`sim/bridge.py`). New states wait in the shared block
until the next step takes them, because Isaac Gym takes one write of a tensor in a step.
"""

import dataclasses
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, final

import jax
import jax.numpy as jnp
import numpy as np

from sim.assets import elfin15, urdf
from sim.clock import HostClock, Report
from sim.errors import DeviceMismatchError, SimClosedError, SnapshotMismatchError, WorkerError
from sim.isaacgym import layout as frames
from sim.isaacgym.host_block import HostBlock
from sim.isaacgym.process import Worker, find_python
from sim.isaacgym.worker import messages
from sim.isaacgym.worker.layout import Layout, make_layout
from sim.isaacgym.worker.messages import Message
from sim.options import IsaacGymConfig
from sim.protocol import SimSpec, SimState, Snapshot, Views
from sim.scene import SceneConfig

_log = logging.getLogger(__name__)
_STATE = ("root", "dof")


class Block(Protocol):
    """Memory shared with the worker, on the host (`host_block`) or the device (`device_block`)."""

    gpu: str

    @property
    def fds(self) -> tuple[int, ...]: ...
    @property
    def address(self) -> Message: ...
    def adopt(self, answer: Message, wanted: str) -> tuple[bool, str]: ...
    def views(self) -> Views: ...
    def put_targets(self, targets: jax.Array) -> None: ...
    def mark(self, mask: jax.Array, views: Views) -> None: ...
    def read(self, name: str) -> np.ndarray: ...
    def fill(self, name: str, value: np.ndarray) -> None: ...
    def settle(self) -> None: ...
    def usage(self) -> Report: ...
    def release(self) -> None: ...
    def close(self) -> None: ...


@final
class IsaacGym:
    """`num_envs` scenes in a worker of their own.

    Raises:
      sim.errors.EngineNotInstalledError: no interpreter to run it.
      sim.errors.WorkerError: the worker did not come up; also from any later call that asks it.
      sim.errors.DeviceMismatchError: the pipeline is where JAX is not.
    """

    def __init__(self, scene: SceneConfig, num_envs: int, config: IsaacGymConfig):
        self._scene, self._config = scene, config
        self._python = find_python(config.python)
        self._com_x_m = scene.screw.inertia()[1]
        self.spec = SimSpec(
            engine="isaacgym",
            num_envs=num_envs,
            num_screws=scene.num_screws,
            control_dt_s=scene.control_dt_s,
            arm=elfin15.arm_spec(),
            deterministic=False,
            restarts=config.restarts,
        )
        self.handover = ""
        """Which hand-over was taken, and why."""
        self._clock, self._handover_s = HostClock(), 0.0
        # on the host the physics needs the processors itself
        self._spin_s = config.spin_s if config.pipeline == "gpu" else 0.0
        layout = make_layout(num_envs, scene.num_screws, elfin15.NUM_JOINTS)
        self._shapes = {name: layout.fields[name].shape for name in _STATE}
        self._block: Block | None = _make_block(layout, config)
        self._next_views: Views | None = None
        self._worker: Worker | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def worker_pid(self) -> int | None:
        """The worker's process; None once it is gone."""
        return self._worker.pid if self._worker else None

    def restart(self) -> None:
        """A new worker on the same block, from the start state; `restore` a snapshot then.

        Views that were handed out before must not be read any more.
        """
        block = self._open()
        self._next_views = None
        block.release()
        if self._worker is not None:
            self._worker.close()
        self._start()

    def views(self) -> Views:
        block, ready = self._open(), self._next_views
        self._next_views = None
        return block.views() if ready is None else ready

    def unpack(self, views: Views) -> SimState:
        return frames.unpack(views, self._com_x_m)

    def pack(self, state: SimState) -> Views:
        return frames.pack(state, self._com_x_m)

    def write(self, mask: jax.Array, views: Views) -> None:
        self._open().mark(mask, views)

    def step(self, joint_targets: jax.Array) -> None:
        block = self._open()
        block.put_targets(joint_targets)
        self._clock.begin()
        begin = time.perf_counter()
        busy_s = self._ask("step")
        self._handover_s += time.perf_counter() - begin - busy_s
        self._clock.end()

    def report(self) -> Callable[[], Report]:
        block, lap = self._open(), self._clock.lap()
        handover_ms, self._handover_s = 1e3 * self._handover_s, 0.0
        return lambda: {**lap(), **block.usage(), "perf/handover_ms": handover_ms}

    def snapshot(self) -> Snapshot:
        block = self._open()
        block.settle()
        marked = block.read("mask").astype(bool)
        shown = {name: block.read(name) for name in _STATE}
        for name, value in shown.items():  # what the next step will begin with
            value[marked] = block.read(f"new_{name}")[marked]
        return shown

    def restore(self, snapshot: Snapshot) -> None:
        self._open()
        shapes = {name: value.shape for name, value in snapshot.items()}
        if shapes != self._shapes:
            raise SnapshotMismatchError(
                f"engine isaacgym takes a snapshot {self._shapes}, got {shapes}"
            )
        self._show({name: np.asarray(snapshot[name], np.float32) for name in _STATE})

    def close(self) -> None:
        # whoever maps memory lets go of it before its owner frees it
        if self._block is not None:
            self._block.release()
        if self._worker is not None:
            self._worker.close()
        if self._block is not None:
            self._block.close()
        self._worker = self._block = self._next_views = None

    def _open(self) -> Block:
        if self._block is None:
            raise SimClosedError("this simulator was closed; make a new one")
        return self._block

    def _start(self) -> None:
        block, config = self._open(), self._config
        limit_s = config.start_timeout_s
        self._worker = Worker(self._python, config.python_path, block.fds, block.gpu, limit_s)
        with tempfile.TemporaryDirectory(prefix="screwpush-") as folder:
            for name, text in _assets(self._scene).items():
                (Path(folder) / name).write_text(text)
            setup = self._setup() | {"folder": folder, "block": block.address}
            answer = self._worker.ask(setup, limit_s, "to build the scenes")
        self._pack, reason = block.adopt(answer, config.handover)
        self.handover = f"{'arena' if self._pack else 'direct'}: {reason}"
        _log.info("isaacgym hand-over %s", self.handover)
        state = self._start_state()
        block.fill("targets", np.asarray(state.joint_pos_rad))
        start = self.pack(state)
        self._show({name: np.asarray(view) for name, view in start.items()})

    def _show(self, state: dict[str, np.ndarray]) -> None:
        """All scenes take `state`: seen at once, given to the engine with the next step."""
        block = self._open()
        for name, value in state.items():
            block.fill(f"new_{name}", value)
        block.fill("mask", np.ones(self.spec.num_envs, np.uint8))
        self._ask("show")

    def _ask(self, what: str) -> float:
        """Returns how long the worker was busy, seconds."""
        block = self._open()
        if self._worker is None:
            raise WorkerError("the Isaac Gym worker is gone; restart() the simulator or close() it")
        block.settle()
        self._worker.begin(what, self._pack)
        self._next_views = block.views()  # no more than handles, made while the worker works
        try:
            return self._worker.finish(what, self._config.step_timeout_s, self._spin_s)
        except WorkerError:
            self._worker = None
            raise

    def _setup(self) -> Message:
        scene, config = self._scene, self._config
        return {
            "protocol": messages.PROTOCOL,
            "num_envs": self.spec.num_envs,
            "arm_urdf": "arm.urdf",
            "screw_urdf": "screw.urdf",
            "base_pos_w": elfin15.BASE_POS_W,
            "screw_spots_w": _spots(scene),
            "physics_dt_s": scene.physics_dt_s,
            "decimation": scene.decimation,
            "friction": scene.friction,
            "drives": _drives(config),
            "num_joints": elfin15.NUM_JOINTS,
            "spin_s": self._spin_s,
            "gym": dataclasses.asdict(config),
        }

    def _start_state(self) -> SimState:
        """The arm at home, the screws side by side and level."""
        count, spots = self.spec.num_envs, jnp.array(_spots(self._scene), jnp.float32)
        screws = jnp.broadcast_to(spots, (count, *spots.shape))
        home = jnp.tile(jnp.array(elfin15.HOME_RAD, jnp.float32), (count, 1))
        still, level = jnp.zeros_like(screws), jnp.array([1.0, 0.0, 0.0, 0.0], jnp.float32)
        quat = jnp.broadcast_to(level, (*screws.shape[:-1], 4))
        return SimState(home, jnp.zeros_like(home), screws, quat, still, still)


def _make_block(layout: Layout, config: IsaacGymConfig) -> Block:
    platform = jax.default_backend()
    if platform != config.pipeline:
        raise DeviceMismatchError(
            f"--isaacgym.pipeline {config.pipeline}: JAX computes on the {platform}; valid here:"
            f" {platform}"
        )
    range_rad = np.array([link.range_rad for link in elfin15.LINKS], np.float32)
    if config.pipeline == "cpu":
        return HostBlock(layout, range_rad)
    from sim.isaacgym.device_block import DeviceBlock

    return DeviceBlock(layout, range_rad)


def _assets(scene: SceneConfig) -> dict[str, str]:
    """The files that the worker loads."""
    return {
        "arm.urdf": urdf.build_arm_urdf(),
        "screw.urdf": urdf.build_screw_urdf(scene.screw),
        urdf.HEAD_MESH: urdf.head_obj(scene.screw),
    }


def _spots(scene: SceneConfig) -> list[tuple[float, float, float]]:
    """Where the screws of each scene stand at first, world frame, metres."""
    middle = (scene.num_screws - 1) / 2
    return [(-0.75, 0.12 * (index - middle), 0.01) for index in range(scene.num_screws)]


def _drives(config: IsaacGymConfig) -> list[dict[str, float]]:
    """Fields of Isaac Gym's DOF properties, one dict for each joint."""
    return [
        {
            "stiffness": link.stiffness * config.stiffness_scale,
            "damping": link.damping * config.damping_scale,
            "effort": link.torque_limit_nm,
            "velocity": urdf.MAX_JOINT_SPEED_RAD_S,
            "armature": link.armature_kgm2,
        }
        for link in elfin15.LINKS
    ]
