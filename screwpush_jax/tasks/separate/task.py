"""The task `separate`: its pure functions, composed and mapped over environments."""

import dataclasses
from functools import partial
from typing import final

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.kinematics import forward_kinematics
from screwpush_jax.tasks.separate import reset
from screwpush_jax.tasks.separate.action import clip_action, move_command
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.separate.observe import Field, layout, observe
from screwpush_jax.tasks.separate.reward import potentials, reward_terms
from screwpush_jax.tasks.separate.scripted import scripted_action
from screwpush_jax.tasks.separate.termination import is_invalid, is_out, is_separated
from screwpush_jax.tasks.task import Bank, Episode, Jit, Scene, Verdict, as_it_is
from sim.assets import elfin15
from sim.protocol import SimSpec, Simulator
from sim.state import SimState


@final
@dataclasses.dataclass(frozen=True)
class SeparateTask:
    """See `screwpush_jax.tasks.task.Task`."""

    config: SeparateConfig
    spec: SimSpec
    name: str = "separate"

    @property
    def obs_layout(self) -> tuple[Field, ...]:
        return layout(
            self.config, self.spec.scene.groups[0].count, len(self.spec.scene.robot.joints)
        )

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

    def build_bank(self, sim: Simulator, size: int, seed: int, jit: Jit = as_it_is) -> Bank:
        return reset.build_bank(self.config, sim, size, seed, jit)

    def begin(self, bank: Bank, jumble: jax.Array, start: jax.Array) -> tuple[Scene, Episode]:
        joints = bank.joint_starts_rad[start]
        state = jax.tree.map(lambda leaf: leaf[jumble], bank.state)
        state = state.with_robot(joint_pos=joints, joint_vel=jnp.zeros_like(joints))
        tip = jax.tree.map(lambda leaf: leaf[start], bank.tips)
        count = jumble.shape[0]
        still = jnp.zeros((count, self.action_size))
        episode = Episode(
            joint_targets=joints,
            action=still,
            prev_action=still,
            step=jnp.zeros(count, jnp.int32),
            held=jnp.zeros(count, jnp.int32),
            potential=self._potentials(state, tip.pos_w),
        )
        return Scene(state=state, tip=tip, command=tip), episode

    def look(self, episode: Episode, state: SimState) -> Scene:
        pose = jax.vmap(lambda q: forward_kinematics(elfin15.arm_spec(), q))
        return Scene(state, pose(state.robot.joint_pos), pose(episode.joint_targets))

    def is_invalid(self, state: SimState) -> jax.Array:
        return jax.vmap(lambda one: is_invalid(self.config, one))(state)

    def judge(self, episode: Episode, scene: Scene, invalid: jax.Array) -> tuple[Verdict, Episode]:
        separated = jax.vmap(lambda one: is_separated(self.config, one))(scene.state) & ~invalid
        out = jax.vmap(lambda one: is_out(self.config, one))(scene.state) & ~invalid
        held = jnp.where(separated, episode.held + 1, 0)
        success = held >= self.config.hold_steps
        next_potential = self._potentials(scene.state, scene.tip.pos_w)
        terms = jax.vmap(reward_terms)(
            episode.potential,
            next_potential,
            success=success,
            separated=separated,
            out=out,
            action=episode.action,
            prev_action=episode.prev_action,
        )
        weights = dataclasses.asdict(self.config.reward)
        if weights.keys() != terms.keys():
            raise ValueError(f"reward weights {sorted(weights)} are not the terms {sorted(terms)}")
        terms = {name: jnp.where(invalid, 0.0, weights[name] * terms[name]) for name in terms}
        terminated = success | out | invalid
        step = episode.step + 1
        verdict = Verdict(
            reward=jnp.sum(jnp.stack(list(terms.values())), axis=0),
            terms=terms,
            terminated=terminated,
            truncated=(step >= self.config.horizon) & ~terminated,
            success=success,
            out=out,
            invalid=invalid,
        )
        return verdict, dataclasses.replace(episode, step=step, held=held, potential=next_potential)

    def observe(self, episode: Episode, scene: Scene) -> jax.Array:
        # The final observation is only bootstrapped from, and no policy acts at a clock of 0: it
        # shows the last clock at which one does, so that the critic is asked what it was trained on
        # (the time limit is not the task's: partial-episode bootstrapping, Pardo et al. 2018).
        clock = jnp.minimum(episode.step, self.config.horizon - 1)
        remaining = 1.0 - clock / self.config.horizon
        one = partial(observe, self.config)
        return jax.vmap(one)(scene.state, scene.tip, scene.command, episode.action, remaining)

    def act(self, episode: Episode, scene: Scene, action: jax.Array) -> Episode:
        action = clip_action(action)

        def one(command, targets, action):
            dt_s = self.spec.control_dt_s
            return move_command(self.config, elfin15.arm_spec(), dt_s, command, targets, action)

        targets = jax.vmap(one)(scene.command, episode.joint_targets, action)
        return dataclasses.replace(
            episode, joint_targets=targets, action=action, prev_action=episode.action
        )

    def scripted_action(self, episode: Episode, scene: Scene) -> jax.Array:
        return jax.vmap(lambda *args: scripted_action(self.config, *args))(episode, scene)

    def _potentials(self, state: SimState, tip_pos_w: jax.Array) -> dict[str, jax.Array]:
        return jax.vmap(lambda s, tip: potentials(self.config, s, tip))(state, tip_pos_w)
