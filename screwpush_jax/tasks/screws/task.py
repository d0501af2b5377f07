"""What tasks on the same screws share: start states, the arm's poses, the action, how it ends."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.optional import ActionAxis
from screwpush_jax.tasks.parts import Field, SetLayout, clip_action, weigh
from screwpush_jax.tasks.screws import jumble, records
from screwpush_jax.tasks.screws.action import action_axes, move_command
from screwpush_jax.tasks.screws.config import ScrewsConfig
from screwpush_jax.tasks.screws.kinematics import TipPose, forward_kinematics
from screwpush_jax.tasks.screws.reward import Outcome
from screwpush_jax.tasks.screws.starts import find_starts
from screwpush_jax.tasks.screws.termination import is_invalid, is_out
from screwpush_jax.tasks.screws.types import Derived, Memory, ScrewStarts, abstract_starts
from screwpush_jax.tasks.task import Jit, StepResult, as_it_is
from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import make_scene
from screwpush_sim.physics import Name
from screwpush_sim.protocol import Simulator
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState


@dataclasses.dataclass(frozen=True)
class ScrewsTask:
    """The part of a `screwpush_jax.tasks.task.Task` that does not say what is to be done.

    That is for a task to say, in methods at the end: pure functions of one environment.
    """

    config: ScrewsConfig
    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]] = ("success_once", "out_of_area")
    score: ClassVar[str] = "success_once"
    rows_per_start: ClassVar[int] = 2  # a jumble, and a pose of the arm above it

    @property
    def obs_layout(self) -> tuple[Field, ...]:
        return self.layout(self.config.scene.num_screws, len(elfin15.arm_spec().home_rad))

    @property
    def obs_sizes(self) -> dict[str, int]:
        last = self.obs_sets.get("policy", self.obs_layout[-1])
        return {"policy": last.stop}

    @property
    def obs_sets(self) -> Mapping[str, SetLayout]:
        """See `screwpush_jax.tasks.optional.WithSets`."""
        return {}

    @property
    def reward_keys(self) -> tuple[str, ...]:
        return tuple(sorted(self.reward_weights))

    @property
    def action_size(self) -> int:
        return len(self.config.active_axes)

    @property
    def action_axes(self) -> tuple[ActionAxis, ...]:
        return action_axes(self.config)

    @property
    def horizon(self) -> int:
        return self.config.horizon

    @property
    def num_starts(self) -> int:
        return self.config.bank_size

    @property
    def start_classes(self) -> int:
        return self.config.variation.start_classes

    def scene(self, physics: Name = "eval") -> Scene:
        return make_scene(self.config.scene, physics=physics)

    def starts(self, sim: Simulator, size: int, seed: int, jit: Jit = as_it_is) -> ScrewStarts:
        return find_starts(self.config, self.start_rules, sim, size, seed, jit)

    def abstract_starts(self, size: int) -> ScrewStarts:
        return abstract_starts(self.scene(), size)

    def reset(self, starts: ScrewStarts, rows: jax.Array, key: jax.Array) -> tuple[Derived, Memory]:
        del key  # all that is random was drawn when the starts were found
        screws, pose = rows
        joints = starts.joint_starts_rad[pose]
        state = jax.tree.map(lambda leaf: leaf[screws], starts.state)
        state = state.with_robot(joint_pos=joints, joint_vel=jnp.zeros_like(joints))
        tip = jax.tree.map(lambda leaf: leaf[pose], starts.tips)
        return Derived(state=state, tip=tip, command=tip), self._first_memory(state, tip)

    def begin(self, state: SimState) -> Memory:
        """See `screwpush_jax.tasks.optional.Exportable`: the arm holds the pose that it is in."""
        return self._first_memory(state, _poses(state.robot.joint_pos))

    def _first_memory(self, state: SimState, tip: TipPose) -> Memory:
        joints = state.robot.joint_pos
        still = jnp.zeros((joints.shape[0], self.action_size))
        return Memory(
            joint_targets=joints,
            action=still,
            prev_action=still,
            held=jnp.zeros(joints.shape[0], jnp.int32),
            potential=jax.vmap(self.potentials)(state, tip.pos_w),
        )

    def derive(self, memory: Memory, state: SimState) -> Derived:
        return Derived(state, _poses(state.robot.joint_pos), _poses(memory.joint_targets))

    def is_invalid(self, state: SimState) -> jax.Array:
        return jax.vmap(lambda one: is_invalid(self.config, one))(state)

    def step(
        self, memory: Memory, derived: Derived, invalid: jax.Array
    ) -> tuple[StepResult, Memory]:
        met = jax.vmap(self.is_met)(derived.state) & ~invalid
        out = jax.vmap(lambda one: is_out(self.config, one))(derived.state) & ~invalid
        held = jnp.where(met, memory.held + 1, 0)
        success = held >= self.config.hold_steps
        potential = jax.vmap(self.potentials)(derived.state, derived.tip.pos_w)
        outcome = Outcome(derived, success, met, out, memory.action, memory.prev_action)
        terms = jax.vmap(self.reward_terms)(memory.potential, potential, outcome)
        reward, terms = weigh(self.reward_weights, terms, invalid)
        result = StepResult(
            reward=reward,
            terms=terms,
            terminated=success | out | invalid,
            metrics={"success_once": success, "out_of_area": out},
        )
        return result, dataclasses.replace(memory, held=held, potential=potential)

    def observe(
        self, memory: Memory, derived: Derived, time_left: jax.Array, key: jax.Array
    ) -> dict[str, jax.Array]:
        del key  # nothing is added to what is seen
        seen = derived.state, derived.tip, derived.command, memory.action, time_left
        return {"policy": jax.vmap(self.observation)(*seen)}

    def act(self, memory: Memory, derived: Derived, action: jax.Array) -> tuple[jax.Array, Memory]:
        action = clip_action(action)

        def one(command, targets, action):
            dt_s = self.config.scene.control_dt_s
            return move_command(self.config, elfin15.arm_spec(), dt_s, command, targets, action)

        targets = jax.vmap(one)(derived.command, memory.joint_targets, action)
        memory = dataclasses.replace(
            memory, joint_targets=targets, action=action, prev_action=memory.action
        )
        return targets, memory

    def hold(self, memory: Memory, derived: Derived) -> jax.Array:
        del derived
        return memory.joint_targets

    def watch(self, derived: Derived) -> dict[str, jax.Array]:
        return records.watch(derived)

    @property
    def reward_weights(self) -> dict[str, float]:
        """Weight of each reward term."""
        raise NotImplementedError

    def start_rules(self, state: SimState) -> dict[str, np.ndarray]:
        """Where settled states (host arrays `[N, ...]`) keep each rule of a start, `[N]` bool, by the
        field that says it."""
        return jumble.rules(self.config, state)

    def layout(self, num_screws: int, num_joints: int) -> tuple[Field, ...]:
        """The table of `observation`."""
        raise NotImplementedError

    def observation(
        self,
        state: SimState,
        tip: TipPose,
        command: TipPose,
        prev_action: jax.Array,
        remaining_time: jax.Array,
    ) -> jax.Array:
        """What is seen, `[O]`; `remaining_time []` is the part of the horizon that is left."""
        raise NotImplementedError

    def is_met(self, state: SimState) -> jax.Array:
        """Whether the success condition is met at this instant, `[]`."""
        raise NotImplementedError

    def potentials(self, state: SimState, tip_pos_w: jax.Array) -> dict[str, jax.Array]:
        """Potentials `[]` of the state by the name of their reward term."""
        raise NotImplementedError

    def reward_terms(
        self, before: dict[str, jax.Array], after: dict[str, jax.Array], outcome: Outcome
    ) -> dict[str, jax.Array]:
        """Raw reward terms `[]` of a step, from the potentials before and after it."""
        raise NotImplementedError


def _poses(joint_pos_rad: jax.Array) -> TipPose:
    """Tip poses `[N, ...]` of the joint positions `[N, J]`."""
    return jax.vmap(lambda q: forward_kinematics(elfin15.arm_spec(), q))(joint_pos_rad)
