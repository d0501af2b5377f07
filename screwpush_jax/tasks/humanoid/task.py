"""The task `humanoid`: its pure functions, composed and mapped over environments."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from screwpush_jax.tasks.drawing import Drawing
from screwpush_jax.tasks.humanoid.baselines import limp
from screwpush_jax.tasks.humanoid.config import HumanoidConfig
from screwpush_jax.tasks.humanoid.draw import draw
from screwpush_jax.tasks.humanoid.joints import GEARS_NM, NUM_JOINTS, ROBOT
from screwpush_jax.tasks.humanoid.observe import layout, observe
from screwpush_jax.tasks.humanoid.posture import Posture, find_posture
from screwpush_jax.tasks.humanoid.reward import reward_terms
from screwpush_jax.tasks.humanoid.starts import find_starts
from screwpush_jax.tasks.humanoid.termination import is_fallen, is_invalid
from screwpush_jax.tasks.optional import ActionAxis
from screwpush_jax.tasks.parts import Field, clip_action, weigh
from screwpush_jax.tasks.task import Baseline, Jit, StepResult, as_it_is
from screwpush_sim.assets import humanoid
from screwpush_sim.physics import Name
from screwpush_sim.protocol import Simulator
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState, zero_state


@struct.dataclass
class Memory:
    """What the task remembers between two steps."""

    action: jax.Array  # [N, A] clipped action in force
    nearness_m: jax.Array  # [N] of the state that the action was chosen in
    start_m: jax.Array  # [N] nearness at the episode's beginning
    steps: jax.Array  # [N] int32, control steps since then
    upright: jax.Array  # [N] sum of the upright projection over them


@struct.dataclass
class Derived:
    """One instant."""

    state: SimState
    posture: Posture  # [N, ...]


@final
@dataclasses.dataclass(frozen=True)
class HumanoidTask:
    """See `screwpush_jax.tasks.task.Task`."""

    config: HumanoidConfig
    name: ClassVar[str] = "humanoid"
    options: ClassVar[type[HumanoidConfig]] = HumanoidConfig
    metrics: ClassVar[tuple[str, ...]] = (
        *("success_once", "fell", "speed_m_s", "distance_m", "upright"),
    )
    score: ClassVar[str] = "success_once"
    rows_per_start: ClassVar[int] = 1
    baselines: ClassVar[Mapping[str, Baseline]] = {"limp": limp}

    @property
    def obs_layout(self) -> tuple[Field, ...]:
        return layout(self.config)

    @property
    def obs_sizes(self) -> dict[str, int]:
        return {"policy": self.obs_layout[-1].stop}

    @property
    def reward_keys(self) -> tuple[str, ...]:
        return tuple(sorted(dataclasses.asdict(self.config.reward)))

    @property
    def action_size(self) -> int:
        return NUM_JOINTS

    @property
    def horizon(self) -> int:
        return self.config.horizon

    @property
    def num_starts(self) -> int:
        return self.config.bank_size

    def scene(self, physics: Name = "eval") -> Scene:
        scene = self.config.scene
        return humanoid.make_scene(scene.physics.named(physics).of_scene(scene.friction))

    def starts(self, sim: Simulator, size: int, seed: int, jit: Jit = as_it_is) -> SimState:
        del jit
        return find_starts(self.config, sim.spec.scene, size, seed)

    def abstract_starts(self, size: int) -> SimState:
        return jax.eval_shape(partial(zero_state, self.scene(), size))

    def reset(self, starts: SimState, rows: jax.Array, key: jax.Array) -> tuple[Derived, Memory]:
        del key  # all that is random was drawn when the starts were found
        state = jax.tree.map(lambda leaf: leaf[rows[0]], starts)
        return _derive(state), self.begin(state)

    def begin(self, state: SimState) -> Memory:
        """The memory `[N, ...]` of episodes that begin in `state`."""
        nearness_m = jax.vmap(find_posture)(state.robot).nearness_m
        return Memory(
            action=jnp.zeros_like(state.robot.joint_pos),
            nearness_m=nearness_m,
            start_m=nearness_m,
            steps=jnp.zeros(nearness_m.shape, jnp.int32),
            upright=jnp.zeros_like(nearness_m),
        )

    def derive(self, memory: Memory, state: SimState) -> Derived:
        del memory
        return _derive(state)

    def is_invalid(self, state: SimState) -> jax.Array:
        return jax.vmap(partial(is_invalid, self.config))(state)

    def step(
        self, memory: Memory, derived: Derived, invalid: jax.Array
    ) -> tuple[StepResult, Memory]:
        posture, nearness_m = derived.posture, derived.posture.nearness_m
        fell = jax.vmap(partial(is_fallen, self.config))(derived.state) & ~invalid
        approach_m = nearness_m - memory.nearness_m
        inputs = derived.state, posture, approach_m, memory.action, fell
        terms = jax.vmap(partial(reward_terms, self.config))(*inputs)
        reward, terms = weigh(dataclasses.asdict(self.config.reward), terms, invalid)
        memory = dataclasses.replace(
            memory,
            nearness_m=nearness_m,
            steps=memory.steps + 1,
            upright=memory.upright + jnp.where(invalid, 0.0, posture.up[:, 2]),
        )
        distance_m = jnp.where(invalid, 0.0, nearness_m - memory.start_m)
        steps = memory.steps.astype(jnp.float32)
        speed_m_s = distance_m / (steps * self.config.scene.physics.control_dt_s)
        fast = speed_m_s >= self.config.success_speed_m_s
        metrics = {
            "success_once": fast & ~fell & ~invalid,  # so it ended at the horizon, if it ended
            "fell": fell,
            "speed_m_s": speed_m_s,
            "distance_m": distance_m,
            "upright": memory.upright / steps,
        }
        return StepResult(reward, terms, fell | invalid, metrics), memory

    def observe(
        self, memory: Memory, derived: Derived, time_left: jax.Array, key: jax.Array
    ) -> dict[str, jax.Array]:
        del time_left, key  # a runner need not know when it is stopped
        seen = derived.state, derived.posture, memory.action
        return {"policy": jax.vmap(partial(observe, self.config))(*seen)}

    def act(self, memory: Memory, derived: Derived, action: jax.Array) -> tuple[jax.Array, Memory]:
        del derived
        action = clip_action(action)
        return action * GEARS_NM[None], dataclasses.replace(memory, action=action)

    @property
    def action_axes(self) -> tuple[ActionAxis, ...]:
        unit = "N m, torque of the joint"
        return tuple(
            ActionAxis(joint.name, unit, float(gear))
            for joint, gear in zip(ROBOT.joints, GEARS_NM, strict=True)
        )

    def draw(self, memory: Memory, derived: Derived) -> list[Drawing]:
        del memory
        robot, nearness_m = derived.state.robot, derived.posture.nearness_m
        assert robot.base_pos_w is not None
        assert robot.base_linvel_w is not None
        places = np.asarray(robot.base_pos_w), np.asarray(robot.base_linvel_w), nearness_m
        return [draw(self.config, *place) for place in zip(*places, strict=True)]

    def caption(self, memory: Memory, derived: Derived) -> dict[str, jax.Array]:
        """Figures `[N]` of this instant, for people."""
        assert derived.state.robot.base_pos_w is not None
        return {
            "speed_m_s": derived.posture.linvel_h[:, 0],
            "distance_m": derived.posture.nearness_m - memory.start_m,
            "height_m": derived.state.robot.base_pos_w[:, 2],
            "upright": derived.posture.up[:, 2],
        }

    def hold(self, memory: Memory, derived: Derived) -> jax.Array:
        del derived
        return jnp.zeros_like(memory.action)


def _derive(state: SimState) -> Derived:
    return Derived(state, jax.vmap(find_posture)(state.robot))
