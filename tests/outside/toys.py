"""An engine and a task that this package knows nothing of: a bar that turns, to be pointed at a mark.

A module like a user's own: it imports what is public and registers nothing by itself. The entry points
of the distribution that the tests make of it, or a plain call, do that.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Gt
from flax import struct

from screwpush_jax.tasks.task import Baseline, Jit, StepResult, as_it_is
from screwpush_sim import bridge
from screwpush_sim.clock import HostClock, Report
from screwpush_sim.inputs import Inputs, check_snapshot
from screwpush_sim.physics import Name
from screwpush_sim.protocol import SimSpec, Simulator, Snapshot, Views
from screwpush_sim.registry import EngineDef
from screwpush_sim.scene import Capsule, Joint, Link, Physics, PositionDrive, RobotModel, Scene
from screwpush_sim.state import RobotState, SimState, zero_state


@dataclasses.dataclass(frozen=True)
class RailOptions:
    """How the toy engine runs."""

    lag: Annotated[float, Gt(0)] = 1.0
    """Part of the way to its target that a joint goes in a control step."""


@final
class RailEngine:
    """`num_envs` scenes whose joints go to their targets, and nothing else."""

    def __init__(self, scene: Scene, num_envs: int, options: RailOptions):
        joints = len(scene.robot.joints)
        self._lag = np.float32(options.lag)
        self._q = bridge.aligned_zeros((num_envs, joints), np.float32)
        self._qd = bridge.aligned_zeros((num_envs, joints), np.float32)
        self.spec = SimSpec("rail", num_envs, scene, deterministic=True)
        self.params: dict[str, jax.Array] = {}
        self._clock = HostClock()
        self._inputs = Inputs(self.spec, self.views())

    def views(self) -> Views:
        return {"q": bridge.to_jax(self._q), "qd": bridge.to_jax(self._qd)}

    def unpack(self, views: Views) -> SimState:
        return SimState(RobotState(views["q"], views["qd"]), {}, {})

    def pack(self, state: SimState) -> Views:
        return {"q": state.robot.joint_pos, "qd": state.robot.joint_vel}

    def write(self, mask: jax.Array, views: Views) -> None:
        self._inputs.check_write(mask, views)
        rows = bridge.to_host(mask)
        self._q[rows] = bridge.to_host(views["q"])[rows]
        self._qd[rows] = bridge.to_host(views["qd"])[rows]

    def step(self, control: jax.Array) -> None:
        self._inputs.check_control(control)
        target = bridge.to_host(control)
        self._clock.begin()
        np.copyto(self._qd, self._lag * (target - self._q) / self.spec.control_dt_s)
        self._q += self._lag * (target - self._q)
        self._clock.end()

    def report(self) -> Callable[[], Report]:
        return self._clock.lap()

    def snapshot(self) -> Snapshot:
        return {"q": self._q.copy(), "qd": self._qd.copy()}

    def restore(self, snapshot: Snapshot) -> None:
        wanted = {name: (self._q.shape, np.dtype(np.float32)) for name in ("q", "qd")}
        check_snapshot("rail", wanted, snapshot)
        self._q[:], self._qd[:] = snapshot["q"], snapshot["qd"]

    def close(self) -> None: ...


ENGINE = EngineDef("rail", RailOptions, f"{__name__}:RailEngine", auto_on="")


@dataclasses.dataclass(frozen=True)
class MarkOptions:
    """Point the bar at the mark."""

    mark_rad: Annotated[float, Gt(0)] = 1.0
    """Where the mark is."""
    step_rad: Annotated[float, Gt(0)] = 0.2
    """Farthest move in a control step."""
    horizon: Annotated[int, Gt(0)] = 20
    """Control steps after which an episode is truncated."""
    num_starts: Annotated[int, Gt(0)] = 64
    """Start states."""

    POLICY_FIELDS: ClassVar[tuple[str, ...]] = ("step_rad",)
    FIXED_FIELDS: ClassVar[tuple[str, ...]] = ("num_starts",)

    def check(self) -> None:
        if self.mark_rad > 2.0:
            raise ValueError(f"mark_rad {self.mark_rad:g}; valid: at most 2, where the bar stops")


class Where(NamedTuple):
    """What is derived: the state alone."""

    state: SimState


@struct.dataclass
class Moves:
    """The memory."""

    target: jax.Array  # [N, 1] rad


def always_up(task, memory, derived, key) -> jax.Array:
    del memory, key
    return jnp.ones((derived.state.robot.joint_pos.shape[0], task.action_size))


@final
@dataclasses.dataclass(frozen=True)
class MarkTask:
    """See `screwpush_jax.tasks.task.Task`."""

    config: MarkOptions
    name: ClassVar[str] = "mark"
    options: ClassVar[type] = MarkOptions
    metrics: ClassVar[tuple[str, ...]] = ("reached", "distance_rad")
    score: ClassVar[str] = "reached"
    rows_per_start: ClassVar[int] = 1
    baselines: ClassVar[Mapping[str, Baseline]] = {"up": always_up}
    obs_layout: ClassVar = (("to_mark", 0, 1, "rad"), ("time_left", 1, 2, "1"))
    obs_sizes: ClassVar = {"policy": 2}
    reward_keys: ClassVar = ("near", "reached")
    action_size: ClassVar[int] = 1

    @property
    def horizon(self) -> int:
        return self.config.horizon

    @property
    def num_starts(self) -> int:
        return self.config.num_starts

    def scene(self, physics: Name = "eval") -> Scene:
        drive = PositionDrive(stiffness=10.0, damping=1.0, effort_limit_nm=5.0)
        shape = Capsule("bar", (0.0, 0.0, 0.1), (0.0, 0.0, 0.3), 0.02)
        joint = Joint("turn", (-3.0, 3.0), drive, damping=0.5)
        arm = Link("arm", "base", (0.0, 0.0, 1.0), density=500.0, shapes=(shape,), joint=joint)
        robot = RobotModel("turner", (Link("base", ""), arm), home_rad=(0.0,))
        return Scene(robot, Physics(0.01, 5, 1.0, "pyramidal"))

    def starts(self, sim: Simulator, size: int, seed: int, jit: Jit = as_it_is):
        del sim, jit
        places = np.random.default_rng(seed).uniform(-1.0, 0.5, (size, 1))
        return {"place": jnp.asarray(places, jnp.float32)}

    def abstract_starts(self, size: int):
        return {"place": jax.ShapeDtypeStruct((size, 1), jnp.float32)}

    def reset(self, starts, rows, key):
        del key
        place = starts["place"][rows[0]]
        state = zero_state(self.scene(), len(place)).with_robot(joint_pos=place)
        return Where(state), Moves(place)

    def derive(self, memory, state):
        del memory
        return Where(state)

    def is_invalid(self, state):
        return ~jnp.isfinite(state.robot.joint_pos[:, 0])

    def step(self, memory, derived, invalid):
        distance = jnp.abs(self.config.mark_rad - derived.state.robot.joint_pos[:, 0])
        reached = (distance < 0.05) & ~invalid
        terms = {
            "near": jnp.where(invalid, 0.0, -distance),
            "reached": jnp.where(reached, 5.0, 0.0),
        }
        metrics = {"reached": reached, "distance_rad": distance}
        return StepResult(sum(terms.values()), terms, reached | invalid, metrics), memory

    def observe(self, memory, derived, time_left, key):
        del memory, key
        to_mark = self.config.mark_rad - derived.state.robot.joint_pos[:, 0]
        return {"policy": jnp.stack([to_mark, time_left], axis=-1)}

    def act(self, memory, derived, action):
        del derived
        target = memory.target + self.config.step_rad * jnp.clip(action, -1.0, 1.0)
        return target, Moves(target)

    def hold(self, memory, derived):
        del derived
        return memory.target
