"""The task `separate`: its pure functions, composed and mapped over environments."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import ClassVar, final

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.kinematics import forward_kinematics
from screwpush_jax.tasks.separate import reset
from screwpush_jax.tasks.separate.action import clip_action, move_command
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.separate.observe import Field, layout, observe
from screwpush_jax.tasks.separate.reward import potentials, reward_terms
from screwpush_jax.tasks.separate.scripted import scripted
from screwpush_jax.tasks.separate.termination import is_invalid, is_out, is_separated
from screwpush_jax.tasks.separate.types import Derived, Memory, ScrewStarts, abstract_starts
from screwpush_jax.tasks.task import Baseline, Jit, StepResult, as_it_is
from sim.protocol import SimSpec, SimState, Simulator


@final
@dataclasses.dataclass(frozen=True)
class SeparateTask:
    """See `screwpush_jax.tasks.task.Task`."""

    config: SeparateConfig
    spec: SimSpec
    name: ClassVar[str] = "separate"
    metrics: ClassVar[tuple[str, ...]] = ("success_once", "out_of_area")
    score: ClassVar[str] = "success_once"
    rows_per_start: ClassVar[int] = 2  # a jumble, and a pose of the arm above it
    baselines: ClassVar[Mapping[str, Baseline]] = {"scripted": scripted}

    @property
    def obs_layout(self) -> tuple[Field, ...]:
        return layout(self.config, self.spec.num_screws, len(self.spec.arm.range_rad))

    @property
    def obs_size(self) -> int:
        return self.obs_layout[-1].stop

    @property
    def action_size(self) -> int:
        return len(self.config.active_axes)

    @property
    def horizon(self) -> int:
        return self.config.horizon

    @property
    def reward_keys(self) -> tuple[str, ...]:
        return tuple(sorted(dataclasses.asdict(self.config.reward)))

    @property
    def num_starts(self) -> int:
        return self.config.bank_size

    def starts(self, sim: Simulator, size: int, seed: int, jit: Jit = as_it_is) -> ScrewStarts:
        return reset.find_starts(self.config, sim, size, seed, jit)

    def abstract_starts(self, size: int) -> ScrewStarts:
        return abstract_starts(self.spec, size)

    def reset(self, starts: ScrewStarts, rows: jax.Array, key: jax.Array) -> tuple[Derived, Memory]:
        del key  # all that is random was drawn when the starts were found
        jumble, pose = rows
        joints = starts.joint_starts_rad[pose]
        state = jax.tree.map(lambda leaf: leaf[jumble], starts.state)
        state = dataclasses.replace(state, joint_pos_rad=joints, joint_vel=jnp.zeros_like(joints))
        tip = jax.tree.map(lambda leaf: leaf[pose], starts.tips)
        count = jumble.shape[0]
        still = jnp.zeros((count, self.action_size))
        memory = Memory(
            joint_targets=joints,
            action=still,
            prev_action=still,
            held=jnp.zeros(count, jnp.int32),
            potential=self._potentials(state, tip.pos_w),
        )
        return Derived(state=state, tip=tip, command=tip), memory

    def derive(self, memory: Memory, state: SimState) -> Derived:
        pose = jax.vmap(lambda q: forward_kinematics(self.spec.arm, q))
        return Derived(state, pose(state.joint_pos_rad), pose(memory.joint_targets))

    def is_invalid(self, state: SimState) -> jax.Array:
        return jax.vmap(lambda one: is_invalid(self.config, one))(state)

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

    def act(self, memory: Memory, derived: Derived, action: jax.Array) -> tuple[jax.Array, Memory]:
        action = clip_action(action)

        def one(command, targets, action):
            dt_s = self.spec.control_dt_s
            return move_command(self.config, self.spec.arm, dt_s, command, targets, action)

        targets = jax.vmap(one)(derived.command, memory.joint_targets, action)
        memory = dataclasses.replace(
            memory, joint_targets=targets, action=action, prev_action=memory.action
        )
        return targets, memory

    def _potentials(self, state: SimState, tip_pos_w: jax.Array) -> dict[str, jax.Array]:
        return jax.vmap(lambda s, tip: potentials(self.config, s, tip))(state, tip_pos_w)
