"""The task `goal`: its pure functions, composed and mapped over environments."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.drawing import Drawing
from screwpush_jax.tasks.goal import records, starts
from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.draw import draw
from screwpush_jax.tasks.goal.geometry import MARKED, goal_distance
from screwpush_jax.tasks.goal.observe import layout, observe
from screwpush_jax.tasks.goal.reward import potentials, reward_terms
from screwpush_jax.tasks.goal.scripted import scripted
from screwpush_jax.tasks.goal.termination import is_in_goal
from screwpush_jax.tasks.parts import Field
from screwpush_jax.tasks.records import Figure, Records
from screwpush_jax.tasks.screws.kinematics import TipPose
from screwpush_jax.tasks.screws.reward import Outcome
from screwpush_jax.tasks.screws.task import ScrewsTask
from screwpush_jax.tasks.screws.types import Derived, Memory
from screwpush_jax.tasks.task import Baseline, StepResult
from screwpush_sim.assets.arm_with_bolts import Target, make_scene
from screwpush_sim.physics import Name
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState


@final
@dataclasses.dataclass(frozen=True)
class GoalTask(ScrewsTask):
    """See `screwpush_jax.tasks.task.Task`."""

    config: GoalConfig
    name: ClassVar[str] = "goal"
    options: ClassVar[type[GoalConfig]] = GoalConfig
    metrics: ClassVar[tuple[str, ...]] = (*ScrewsTask.metrics, "goal_distance_m")
    baselines: ClassVar[Mapping[str, Baseline]] = {"scripted": scripted}

    def scene(self, physics: Name = "eval") -> Scene:
        target = Target(self.config.goal_pos_m, self.config.goal_radius_m, MARKED)
        return make_scene(self.config.scene, target, physics)

    @property
    def reward_weights(self) -> dict[str, float]:
        return dataclasses.asdict(self.config.reward)

    def start_rules(self, state: SimState) -> dict[str, np.ndarray]:
        return super().start_rules(state) | starts.rules(self.config, state)

    def is_met(self, state: SimState) -> jax.Array:
        return is_in_goal(self.config, state)

    def potentials(self, state: SimState, tip_pos_w: jax.Array) -> dict[str, jax.Array]:
        return potentials(self.config, state, tip_pos_w)

    def reward_terms(
        self, before: dict[str, jax.Array], after: dict[str, jax.Array], outcome: Outcome
    ) -> dict[str, jax.Array]:
        return reward_terms(before, after, outcome)

    def step(
        self, memory: Memory, derived: Derived, invalid: jax.Array
    ) -> tuple[StepResult, Memory]:
        result, memory = super().step(memory, derived, invalid)
        distance = jax.vmap(partial(goal_distance, self.config.goal_pos_m))(derived.state)
        far = {"goal_distance_m": jnp.where(invalid, 0.0, distance)}
        return dataclasses.replace(result, metrics=result.metrics | far), memory

    def draw(self, memory: Memory, derived: Derived) -> list[Drawing]:
        del memory
        places = derived.state.bodies["screws"].pos_w, derived.tip.pos_w
        return [draw(self.config, *place) for place in zip(*places, strict=True)]

    def caption(self, memory: Memory, derived: Derived) -> dict[str, jax.Array]:
        """See `screwpush_jax.tasks.optional.Captioned`."""
        del memory
        distance = jax.vmap(partial(goal_distance, self.config.goal_pos_m))(derived.state)
        radius = jnp.full_like(distance, self.config.goal_radius_m)
        return {"goal_distance_m": distance, "goal_radius_m": radius}

    def layout(self, num_screws: int, num_joints: int) -> tuple[Field, ...]:
        return layout(self.config, num_screws, num_joints)

    def observation(
        self,
        state: SimState,
        tip: TipPose,
        command: TipPose,
        prev_action: jax.Array,
        remaining_time: jax.Array,
    ) -> jax.Array:
        return observe(self.config, state, tip, command, prev_action, remaining_time)

    def report(self, by_policy: Mapping[str, Records]) -> Sequence[Figure]:
        return records.report(self.config, by_policy)
