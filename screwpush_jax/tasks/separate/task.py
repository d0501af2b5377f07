"""The task `separate`: its pure functions, composed and mapped over environments."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import ClassVar, final

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.task import ScrewsTask
from screwpush_jax.tasks.screws.termination import is_out
from screwpush_jax.tasks.screws.types import Derived, Memory
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.separate.observe import Field, layout, observe
from screwpush_jax.tasks.separate.reward import potentials, reward_terms
from screwpush_jax.tasks.separate.scripted import scripted
from screwpush_jax.tasks.separate.termination import is_separated
from screwpush_jax.tasks.task import Baseline, StepResult
from sim.state import SimState


@final
@dataclasses.dataclass(frozen=True)
class SeparateTask(ScrewsTask):
    """See `screwpush_jax.tasks.task.Task`."""

    config: SeparateConfig
    name: ClassVar[str] = "separate"
    metrics: ClassVar[tuple[str, ...]] = ("success_once", "out_of_area")
    score: ClassVar[str] = "success_once"
    baselines: ClassVar[Mapping[str, Baseline]] = {"scripted": scripted}

    @property
    def obs_layout(self) -> tuple[Field, ...]:
        return layout(
            self.config, self.spec.scene.groups[0].count, len(self.spec.scene.robot.joints)
        )

    @property
    def obs_sizes(self) -> dict[str, int]:
        return {"policy": self.obs_layout[-1].stop}

    @property
    def reward_keys(self) -> tuple[str, ...]:
        return tuple(sorted(dataclasses.asdict(self.config.reward)))

    def step(
        self, memory: Memory, derived: Derived, invalid: jax.Array
    ) -> tuple[StepResult, Memory]:
        separated = jax.vmap(lambda one: is_separated(self.config, one))(derived.state) & ~invalid
        out = jax.vmap(lambda one: is_out(self.config, one))(derived.state) & ~invalid
        held = jnp.where(separated, memory.held + 1, 0)
        success = held >= self.config.hold_steps
        next_potential = self._potentials(derived.state, derived.tip.pos_w)
        terms = jax.vmap(reward_terms)(
            memory.potential,
            next_potential,
            success=success,
            separated=separated,
            out=out,
            action=memory.action,
            prev_action=memory.prev_action,
        )
        weights = dataclasses.asdict(self.config.reward)
        if weights.keys() != terms.keys():
            raise ValueError(f"reward weights {sorted(weights)} are not the terms {sorted(terms)}")
        terms = {name: jnp.where(invalid, 0.0, weights[name] * terms[name]) for name in terms}
        result = StepResult(
            reward=jnp.sum(jnp.stack(list(terms.values())), axis=0),
            terms=terms,
            terminated=success | out | invalid,
            metrics={"success_once": success, "out_of_area": out},
        )
        return result, dataclasses.replace(memory, held=held, potential=next_potential)

    def observe(
        self, memory: Memory, derived: Derived, time_left: jax.Array, key: jax.Array
    ) -> dict[str, jax.Array]:
        del key  # nothing is added to what is seen
        one = partial(observe, self.config)
        seen = derived.state, derived.tip, derived.command, memory.action, time_left
        return {"policy": jax.vmap(one)(*seen)}

    def _potentials(self, state: SimState, tip_pos_w: jax.Array) -> dict[str, jax.Array]:
        return jax.vmap(lambda s, tip: potentials(self.config, s, tip))(state, tip_pos_w)
