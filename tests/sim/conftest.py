"""Shared by the tests of the engines: one `Lab` for each engine that is present."""

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax import plugins
from screwpush_sim import registry
from screwpush_sim.assets import humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.errors import EngineNotInstalledError, SceneNotSupportedError
from screwpush_sim.options import IsaacGymConfig, MujocoConfig, MujocoWarpConfig, PhysxConfig
from screwpush_sim.protocol import Simulator
from screwpush_sim.scene import Scene
from screwpush_sim.state import Bodies, RobotState, SimState, home_state
from screwpush_sim.variation import Params

plugins.load()  # engines that other installed packages bring are tested, too

STANDIN = str(Path(__file__).parent.parent / "isaacgym_standin")
"""Where the worker finds an `isaacgym` that keeps the documented rules and steps MuJoCo."""

OPTIONS: dict[str, object] = {
    "mujoco_warp": MujocoWarpConfig(),
    "mujoco": MujocoConfig(num_threads=2),
    "physx": PhysxConfig(num_threads=2),
    "isaacgym": IsaacGymConfig(
        python=sys.executable,
        python_path=STANDIN,
        pipeline="gpu" if jax.default_backend() == "gpu" else "cpu",
        handover=os.environ.get("SCREWPUSH_TEST_HANDOVER", "auto"),
        step_timeout_s=30.0,
    ),
}
"""How these engines are built for the contract suite; one that is not here, with its defaults."""


HUMANOID = 0
"""In the place of a number of screws: the other kind of scene."""


@dataclasses.dataclass
class Lab:
    """One engine: builds simulators, writes and reads them as host arrays."""

    engine: str
    made: dict[tuple, Simulator] = dataclasses.field(default_factory=dict)
    compiled: WeakKeyDictionary[Simulator, Callable] = dataclasses.field(
        default_factory=WeakKeyDictionary
    )

    def make(self, num_envs: int = 2, num_screws: int = 3) -> Simulator:
        """A new simulator of the humanoid, or of the arm with screws; the caller closes it.

        The shared ones end first if the engine has room for one alone. A kind of scene that the
        engine says it cannot build is skipped.
        """
        if registry.ENGINES[self.engine].one_per_process:
            self.close()
        if num_screws == HUMANOID:
            scene = humanoid.make_scene()
        else:
            scene = make_scene(SceneConfig(num_screws=num_screws), physics="train")
        try:
            return self._make(scene, num_envs)
        except SceneNotSupportedError as error:
            pytest.skip(str(error))

    def make_another(self, num_envs: int = 2, num_screws: int = 3) -> Simulator:
        """As `make`, while the shared ones go on; skipped if the engine has room for one alone."""
        if registry.ENGINES[self.engine].one_per_process:
            pytest.skip(f"of {self.engine} one simulator may live in a process")
        return self.make(num_envs, num_screws)

    def build(self, scene: Scene, num_envs: int, params: Params) -> Simulator:
        """A simulator of this scene, whose scenes differ by `params`; the caller closes it."""
        if registry.ENGINES[self.engine].one_per_process:
            self.close()
        return self._make(scene, num_envs, params)

    def _make(self, scene: Scene, num_envs: int, params: Params | None = None) -> Simulator:
        options = OPTIONS.get(self.engine) or registry.ENGINES[self.engine].options()
        return registry.make_simulator(self.engine, scene, num_envs, options, params)

    def shared(self, num_envs: int = 2, num_screws: int = 3) -> Simulator:
        """The session's simulator of this size, in an arbitrary state: `put` one before use."""
        size = (num_envs, num_screws)
        if size not in self.made:
            self.made[size] = self.make(*size)
        return self.made[size]

    def read(self, sim: Simulator) -> SimState:
        """Copies of what the simulator shows, as numpy arrays."""
        unpack = self.compiled.setdefault(sim, jax.jit(sim.unpack))
        return jax.tree.map(np.array, unpack(sim.views()))

    def put(self, sim: Simulator, state: SimState, rows=None) -> None:
        """Writes `state` to the scenes `rows` (all of them if not given)."""
        mask = np.zeros(sim.spec.num_envs, bool)
        mask[slice(None) if rows is None else rows] = True
        sim.write(jnp.asarray(mask), sim.pack(jax.tree.map(jnp.asarray, state)))

    def run(self, sim: Simulator, control, steps: int) -> list[SimState]:
        """The states after each of `steps` control steps under `control [N, U]` or `[U]`."""
        shape = (sim.spec.num_envs, len(sim.spec.scene.robot.joints))
        targets = jnp.asarray(np.broadcast_to(control, shape), jnp.float32)
        states = []
        for _ in range(steps):
            sim.step(targets)
            states.append(self.read(sim))
        return states

    def settle(self, sim: Simulator, state: SimState, seconds: float) -> SimState:
        """What `state` has become when the screws lie still."""
        self.put(sim, state)
        return self.run(sim, state.robot.joint_pos, round(seconds / sim.spec.control_dt_s))[-1]

    def hold(self, sim: Simulator, state: SimState) -> np.ndarray:
        """The controls `[N, U]` that leave `state` alone: targets where the joints are, no torque."""
        targets = [joint.drive.kind == "position" for joint in sim.spec.scene.robot.joints]
        return np.float32(targets) * state.robot.joint_pos

    def close(self) -> None:
        for sim in self.made.values():
            sim.close()
        self.made, self.compiled = {}, WeakKeyDictionary()


QUICK = ("mujoco",)
"""Engines that are built and compiled in a moment."""


def engine_param(name: str):
    return name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)


@pytest.fixture(scope="session", params=[engine_param(name) for name in registry.ENGINES])
def lab(request, make_lab):
    """A laboratory of each engine whose package is installed."""
    laboratory = make_lab(request.param)
    yield laboratory
    laboratory.close()


@pytest.fixture(scope="session")
def make_lab():
    """`engine -> Lab`; skips where the engine cannot be had."""

    def make(engine: str) -> Lab:
        try:
            registry.check_installed(engine)
        except EngineNotInstalledError as error:
            pytest.skip(str(error))
        if engine == "mujoco" and jax.default_backend() != "cpu":
            pytest.skip("steps on the host, and so must JAX: tested there")
        return Lab(engine)

    return make


@pytest.fixture
def lab_of(monkeypatch):
    """`(engine, options) -> Lab` of an engine that only one test knows."""

    def make(engine: str, options: object) -> Lab:
        monkeypatch.setitem(OPTIONS, engine, options)
        return Lab(engine)

    return make


PARKED = np.array([0.0, 0.3, -1.3, 0.0, -0.5, 0.0], np.float32)
"""Joints with the whole arm high above the table."""


@pytest.fixture(scope="session")
def parked():
    return PARKED


@pytest.fixture(scope="session")
def make_state():
    """`(pos_w [N, S, 3], quat_w, linvel_w, angvel_w) -> SimState` with the arm out of the way."""

    def make(pos_w, quat_w=(1, 0, 0, 0), linvel_w=0.0, angvel_w=0.0, joints=PARKED) -> SimState:
        pos = np.asarray(pos_w, np.float32)
        count, screws, _ = pos.shape

        def spread(value, size):
            return np.broadcast_to(np.float32(value), (count, screws, size)).copy()

        joint_pos = np.broadcast_to(np.float32(joints), (count, 6)).copy()
        return SimState(
            RobotState(joint_pos, np.zeros_like(joint_pos)),
            {"screws": Bodies(pos, spread(quat_w, 4), spread(linvel_w, 3), spread(angvel_w, 3))},
            {},
        )

    return make


@pytest.fixture(scope="session")
def lying(lab, make_state):
    """Two scenes of three screws that rest on the table, well apart; the arm parked."""
    y = np.array([-0.12, 0.0, 0.12])
    pos = np.stack([np.full(3, -0.75), y, np.full(3, 0.012)], axis=-1)
    yaw = np.array([[0.0, 0.7, 2.0], [1.2, -2.5, 3.0]]) / 2
    quat = np.stack([np.cos(yaw), 0 * yaw, 0 * yaw, np.sin(yaw)], axis=-1)
    return lab.settle(lab.shared(), make_state(np.stack([pos, pos]), quat), seconds=1.0)


@dataclasses.dataclass(frozen=True)
class World:
    """One kind of scene in one engine: where it begins, and what moves it."""

    lab: Lab
    size: int  # HUMANOID or a number of screws
    start: SimState  # [2, ...], resting
    num_joints: int
    push: float  # added to a control it moves the joints, rad or N m

    def shared(self) -> Simulator:
        return self.lab.shared(num_screws=self.size)

    def make(self) -> Simulator:
        return self.lab.make(2, self.size)

    def make_another(self) -> Simulator:
        return self.lab.make_another(2, self.size)

    @property
    def hold(self) -> np.ndarray:
        """The controls `[2, U]` that leave the start alone."""
        return self.lab.hold(self.shared(), self.start)

    def free(self, state: SimState) -> Bodies:
        """What moves freely: the bodies `[2, B, ...]`, or the base `[2, ...]`."""
        if self.size != HUMANOID:
            return state.bodies["screws"]
        robot = state.robot
        return Bodies(robot.base_pos_w, robot.base_quat_w, robot.base_linvel_w, robot.base_angvel_w)

    def where(self, state: SimState) -> np.ndarray:
        """Positions `[2, ..., 3]` of what moves freely."""
        return self.free(state).pos_w

    def set_free(self, state: SimState, **values) -> SimState:
        """`state` with these fields of all that moves freely, each broadcast."""
        spread = {
            name: np.broadcast_to(np.float32(value), getattr(self.free(state), name).shape).copy()
            for name, value in values.items()
        }
        if self.size != HUMANOID:
            return state.with_bodies("screws", **spread)
        return state.with_robot(**{f"base_{name}": value for name, value in spread.items()})

    def moved(self, offset) -> SimState:
        """The start, all that moves freely displaced."""
        return self.set_free(self.start, pos_w=self.where(self.start) + np.float32(offset))

    def thrown(self, velocity: float) -> SimState:
        """The start, all that moves freely at this speed along each axis."""
        return self.set_free(self.start, linvel_w=velocity)

    def aloft(self, quat_wxyz=(1, 0, 0, 0), linvel_w=0.0, angvel_w=0.0) -> SimState:
        """High above the ground, away from each other and from a fixed robot, joints as at the start."""
        base = jax.tree.map(np.array, home_state(self.shared().spec.scene, 2))
        joints = self.start.robot.joint_pos if self.size != HUMANOID else base.robot.joint_pos
        high = base.with_robot(joint_pos=joints)
        offset = [1.35, 0.0, 1.5] if self.size != HUMANOID else [0.5, -0.3, 2.0]
        return self.set_free(
            high,
            pos_w=self.where(high) + np.float32(offset),
            quat_w=quat_wxyz,
            linvel_w=linvel_w,
            angvel_w=angvel_w,
        )


@pytest.fixture(params=["arm with screws", "humanoid"])
def world(request, lab):
    """Both kinds of scenes."""
    if request.param == "humanoid":
        sim = lab.shared(num_screws=HUMANOID)
        state = jax.tree.map(np.array, home_state(sim.spec.scene, 2))
        lab.put(sim, state)
        start = lab.run(sim, lab.hold(sim, state), 20)[-1]
        return World(lab, HUMANOID, start, 21, 10.0)
    return World(lab, 3, request.getfixturevalue("lying"), 6, 0.1)


@pytest.fixture
def lost():
    """What Warp's waiting does when the driver has taken the device."""

    def wait(waited_for):
        raise RuntimeError("Warp CUDA error 700")

    return wait
