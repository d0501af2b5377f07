"""Isaac Gym behind the contract: physics in a worker process, its tensors in JAX without a copy.

Learner and worker compute in turn (`sim/bridge.py`): on a GPU a stream of the learner's does the
handshake and the host runs ahead (`stream_handshake.py`), without one the host waits
(`host_handshake.py`). New states wait in the
shared block until the next step takes them, because Isaac Gym takes one write of a tensor in a step.
"""

import dataclasses
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, final

import jax
import numpy as np

from screwpush_sim.clock import Report
from screwpush_sim.engines.isaacgym.frames import make_frames
from screwpush_sim.engines.isaacgym.host_block import HostBlock
from screwpush_sim.engines.isaacgym.interpreter import find_python
from screwpush_sim.engines.isaacgym.process import Worker
from screwpush_sim.engines.isaacgym.worker.block_layout import SHOWN, BlockLayout, block_layout_of
from screwpush_sim.engines.isaacgym.worker.messages import Message
from screwpush_sim.engines.isaacgym.worker_setup import make_assets, make_worker_setup
from screwpush_sim.errors import (
    DeviceLostError,
    DeviceMismatchError,
    SceneNotSupportedError,
    SimClosedError,
    WorkerError,
)
from screwpush_sim.inputs import Inputs, check_snapshot, kept_params
from screwpush_sim.options import IsaacGymConfig
from screwpush_sim.protocol import SimSpec, Snapshot, Views
from screwpush_sim.scene import Scene, first_control
from screwpush_sim.state import home_state
from screwpush_sim.variation import Params, to_jax

_log = logging.getLogger(__name__)


class Handshake(Protocol):
    """How the worker is asked, by the host (`host_handshake`) or a stream (`stream_handshake`)."""

    def step(self) -> None: ...
    def show(self, rows: int) -> None: ...
    def synchronize(self) -> None: ...
    def check(self) -> None: ...
    def lap(self) -> Callable[[], Report]: ...


class Block(Protocol):
    """Memory shared with the worker, on the host (`host_block`) or the device (`device_block`)."""

    gpu: str
    step_number: int

    @property
    def fds(self) -> tuple[int, ...]: ...
    @property
    def address(self) -> Message: ...
    def negotiate(self, answer: Message, wanted: str) -> tuple[bool, str]: ...
    def connect(self, worker: Worker, pack: bool, limit_s: float) -> Handshake: ...
    def views(self) -> Views: ...
    def put_control(self, control: jax.Array) -> None: ...
    def stage(self, mask: jax.Array, views: Views) -> None: ...
    def read(self, name: str) -> np.ndarray: ...
    def fill(self, name: str, value: np.ndarray) -> None: ...
    def usage(self) -> Report: ...
    def release(self) -> None: ...
    def close(self) -> None: ...


@final
class IsaacGym:
    """`num_envs` scenes in a worker of their own.

    Raises:
      errors.SceneNotSupportedError: the scene is of a kind that the worker cannot build.
      errors.EngineNotInstalledError: no interpreter to run it.
      errors.WorkerError: the worker did not come up; also from any later call that asks it.
      errors.DeviceMismatchError: the pipeline is where JAX is not.
    """

    def __init__(
        self, scene: Scene, num_envs: int, config: IsaacGymConfig, params: Params | None = None
    ):
        _check_supported(scene)
        self._scene, self._config = scene, config
        self._python = find_python(config.python)
        frames = make_frames(scene)
        self.unpack, self.pack = frames.unpack, frames.pack
        self._num_bodies = sum(group.count for group in scene.groups)
        self.spec = SimSpec(
            engine="isaacgym",
            num_envs=num_envs,
            scene=scene,
            deterministic=False,
        )
        self._params = params or {}
        self.params = to_jax(self._params)
        self.handover = ""
        """Which hand-over was taken, and why."""
        self.not_taken: list[str] = []
        """A line for each property that Isaac Gym does not show as it was set."""
        self.remarks: list[str] = []
        """What else was odd when it built the scenes."""
        layout = block_layout_of(dataclasses.asdict(scene), num_envs)
        self._first_moved = layout.first_moved
        fields = {name: layout.fields[name] for name in SHOWN if name in layout.fields}
        self._layouts = {name: (field.shape, field.dtype) for name, field in fields.items()}
        block = _make_block(layout, scene, config)
        self._block: Block | None = block
        self._inputs = Inputs(self.spec, block.views())
        self._worker: Worker | None = None
        self._handshake: Handshake | None = None
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
        self._open()
        self._disconnect()
        self._start()

    def views(self) -> Views:
        self._connected().check()
        return self._open().views()

    def write(self, mask: jax.Array, views: Views) -> None:
        block = self._open()
        self._inputs.check_write(mask, views)
        block.stage(mask, views)

    def step(self, control: jax.Array) -> None:
        block = self._open()
        self._inputs.check_control(control)
        block.put_control(control)
        self._connected().step()

    def report(self) -> Callable[[], Report]:
        block, lap = self._open(), self._connected().lap()
        return lambda: lap() | block.usage()

    def snapshot(self) -> Snapshot:
        block = self._open()
        self._connected().synchronize()
        shown = {name: block.read(name) for name in self._layouts}
        waiting = block.read("robots")[: block.read("count")[0]] // (1 + self._num_bodies)
        for name in ("root", "dof"):  # what the next step will begin with
            shown[name][waiting] = block.read(f"new_{name}")[waiting]
        return shown | kept_params(self._params)

    def restore(self, snapshot: Snapshot) -> None:
        self._open()
        check_snapshot("isaacgym", self._layouts, snapshot, self._params)
        self._show({name: snapshot[name] for name in self._layouts})

    def close(self) -> None:
        """Ends the worker and frees the block; may be called again.

        Raises:
          errors.DeviceLostError: the device is gone, and with it what was to be freed.
        """
        self._disconnect()
        if self._block is not None:
            self._block.close()
        self._block = None

    def _open(self) -> Block:
        if self._block is None:
            raise SimClosedError("this simulator was closed; make a new one")
        return self._block

    def _connected(self) -> Handshake:
        self._open()
        if self._handshake is None:
            raise WorkerError("the Isaac Gym worker is gone; restart() the simulator or close() it")
        return self._handshake

    def _disconnect(self) -> None:
        """Ends the worker. Whoever maps memory lets go of it before its owner frees it."""
        block, worker = self._block, self._worker
        self._worker = self._handshake = None
        try:
            if block is not None:
                block.release()
        except DeviceLostError as error:
            self._block = None  # it went with the device
            raise DeviceLostError(_cause(worker, error)) from None
        finally:
            if worker is not None:
                worker.close()

    def _start(self) -> None:
        block, config = self._open(), self._config
        limit_s = config.start_timeout_s
        self._worker = Worker(self._python, config.python_path, block.fds, block.gpu, limit_s)
        with tempfile.TemporaryDirectory(prefix="screwpush-") as folder:
            for name, text in make_assets(self._scene).items():
                (Path(folder) / name).write_text(text)
            setup = make_worker_setup(self._scene, self.spec.num_envs, config, self._params)
            where = {"folder": folder, "block": block.address}
            answer = self._worker.ask(setup | where, limit_s, "to build the scenes")
        self.not_taken, self.remarks = answer["not_taken"], answer["remarks"]
        for line in (*self.not_taken, *self.remarks):
            _log.warning("isaacgym: %s", line)
        pack, reason = block.negotiate(answer, config.handover)
        self.handover = f"{'arena' if pack else 'direct'}: {reason}"
        _log.info("isaacgym hand-over %s", self.handover)
        self._handshake = block.connect(self._worker, pack, config.step_timeout_s)
        state = home_state(self._scene, self.spec.num_envs)
        first = np.array(first_control(self._scene.robot), np.float32)
        block.fill("control", np.tile(first, (self.spec.num_envs, 1)))
        self._show({name: np.asarray(view) for name, view in self.pack(state).items()})

    def _show(self, state: dict[str, np.ndarray]) -> None:
        """All scenes take `state`: seen at once, given to the engine with the next step."""
        block, handshake, count = self._open(), self._connected(), self.spec.num_envs
        handshake.synchronize()
        actors = np.arange(count * (1 + self._num_bodies), dtype=np.int32).reshape(count, -1)
        moved = actors[:, self._first_moved :].flatten()
        new = {f"new_{name}": state[name] for name in ("root", "dof")} | {
            **{name: state[name] for name in state if name == "contact"},
            **({"moved": moved} if moved.size else {}),
            "robots": actors[:, 0].copy(),
            "count": np.array([count], np.int32),
            "listed": np.full(count, block.step_number, np.int32),
        }
        for name, value in new.items():
            block.fill(name, value)
        handshake.show(count)


def _check_supported(scene: Scene) -> None:
    kinds = {joint.drive.kind for joint in scene.robot.joints}
    if len(kinds) != 1:
        raise SceneNotSupportedError(
            f"isaacgym cannot build the scene of {scene.robot.name!r}, whose drives are of"
            f" {len(kinds)} kinds; valid: one, position or torque"
        )


def _cause(worker: Worker | None, lost: DeviceLostError) -> str:
    """Why the learner's device is lost: NVIDIA's MPS takes it from both when one process fails."""
    if worker is None or not (failure := worker.await_failure()):
        return str(lost)
    return f"{failure}\n{lost}; NVIDIA's MPS does that when a worker ends while it computes"


def _make_block(layout: BlockLayout, scene: Scene, config: IsaacGymConfig) -> Block:
    platform = jax.default_backend()
    if platform != config.pipeline:
        raise DeviceMismatchError(
            f"--isaacgym.pipeline {config.pipeline}: JAX computes on the {platform}; valid here:"
            f" {platform}"
        )
    control_range = np.array(scene.robot.control_range, np.float32)
    if config.pipeline == "cpu":
        return HostBlock(layout, control_range)
    from screwpush_sim.engines.isaacgym.device_block import DeviceBlock

    return DeviceBlock(layout, control_range)
