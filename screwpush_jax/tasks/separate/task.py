"""The task `separate`: its pure functions, composed and mapped over environments."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.drawing import Drawing
from screwpush_jax.tasks.parts import Field, SetLayout
from screwpush_jax.tasks.records import Figure, Records
from screwpush_jax.tasks.screws.geometry import pair_distances
from screwpush_jax.tasks.screws.kinematics import TipPose
from screwpush_jax.tasks.screws.reward import Outcome
from screwpush_jax.tasks.screws.task import ScrewsTask
from screwpush_jax.tasks.screws.types import Derived, Memory
from screwpush_jax.tasks.separate import records, starts
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.separate.draw import draw
from screwpush_jax.tasks.separate.observe import layout, observe, sets
from screwpush_jax.tasks.separate.reward import potentials, reward_terms
from screwpush_jax.tasks.separate.scripted import scripted
from screwpush_jax.tasks.separate.termination import is_separated
from screwpush_jax.tasks.task import Baseline
from screwpush_sim.state import SimState


@final
@dataclasses.dataclass(frozen=True)
class SeparateTask(ScrewsTask):
    """See `screwpush_jax.tasks.task.Task`."""

    config: SeparateConfig
    name: ClassVar[str] = "separate"
    options: ClassVar[type[SeparateConfig]] = SeparateConfig
    baselines: ClassVar[Mapping[str, Baseline]] = {"scripted": scripted}

    @property
    def reward_weights(self) -> dict[str, float]:
        return dataclasses.asdict(self.config.reward)

    def start_rules(self, state: SimState) -> dict[str, np.ndarray]:
        return super().start_rules(state) | starts.rules(self.config, state)

    def is_met(self, state: SimState) -> jax.Array:
        return is_separated(self.config, state)

    def potentials(self, state: SimState, tip_pos_w: jax.Array) -> dict[str, jax.Array]:
        return potentials(self.config, state, tip_pos_w)

    def reward_terms(
        self, before: dict[str, jax.Array], after: dict[str, jax.Array], outcome: Outcome
    ) -> dict[str, jax.Array]:
        return reward_terms(before, after, outcome)

    def draw(self, memory: Memory, derived: Derived) -> list[Drawing]:
        del memory
        return [draw(self.config, pos) for pos in derived.state.bodies["screws"].pos_w]

    def caption(self, memory: Memory, derived: Derived) -> dict[str, jax.Array]:
        """See `screwpush_jax.tasks.optional.Captioned`."""
        del memory
        distances = jax.vmap(pair_distances)(derived.state.bodies["screws"].pos_w)
        closest = jnp.min(distances, axis=-1)
        wanted = jnp.full_like(closest, self.config.separation_m)
        return {"closest_pair_m": closest, "D_m": wanted}

    @property
    def obs_sets(self) -> Mapping[str, SetLayout]:
        return sets(self.config, self.obs_layout)

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
