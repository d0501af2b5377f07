"""What tasks on the same screws share: start states, the arm's poses, the action."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.screws.action import clip_action, move_command
from screwpush_jax.tasks.screws.config import ScrewsConfig
from screwpush_jax.tasks.screws.kinematics import forward_kinematics
from screwpush_jax.tasks.screws.starts import find_starts
from screwpush_jax.tasks.screws.termination import is_invalid
from screwpush_jax.tasks.screws.types import Derived, Memory, ScrewStarts, abstract_starts
from screwpush_jax.tasks.task import Jit, as_it_is
from sim.assets import elfin15
from sim.assets.arm_with_bolts import make_scene
from sim.protocol import Simulator
from sim.scene import Scene
from sim.state import SimState


@dataclasses.dataclass(frozen=True)
class ScrewsTask:
    """The part of a `screwpush_jax.tasks.task.Task` that does not say what is to be done."""

    config: ScrewsConfig
    name: ClassVar[str]
    rows_per_start: ClassVar[int] = 2  # a jumble, and a pose of the arm above it

    @property
    def action_size(self) -> int:
        return len(self.config.active_axes)

    @property
    def horizon(self) -> int:
        return self.config.horizon

    @property
    def num_starts(self) -> int:
        return self.config.bank_size

    def scene(self) -> Scene:
        return make_scene(self.config.scene)

    def starts(self, sim: Simulator, size: int, seed: int, jit: Jit = as_it_is) -> ScrewStarts:
        return find_starts(self.config, sim, size, seed, jit)

    def abstract_starts(self, size: int) -> ScrewStarts:
        return abstract_starts(self.scene(), size)

    def reset(self, starts: ScrewStarts, rows: jax.Array, key: jax.Array) -> tuple[Derived, Memory]:
        del key  # all that is random was drawn when the starts were found
        jumble, pose = rows
        joints = starts.joint_starts_rad[pose]
        state = jax.tree.map(lambda leaf: leaf[jumble], starts.state)
        state = state.with_robot(joint_pos=joints, joint_vel=jnp.zeros_like(joints))
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
        pose = jax.vmap(lambda q: forward_kinematics(elfin15.arm_spec(), q))
        return Derived(state, pose(state.robot.joint_pos), pose(memory.joint_targets))

    def is_invalid(self, state: SimState) -> jax.Array:
        return jax.vmap(lambda one: is_invalid(self.config, one))(state)

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

    def _potentials(self, state: SimState, tip_pos_w: jax.Array) -> dict[str, jax.Array]:
        """Potentials `[N]` of the state by the name of their reward term."""
        raise NotImplementedError
