"""What a task is to the learner: batched pure functions around one frozen episode memory."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.tasks.kinematics import TipPose
from sim.protocol import SimSpec, Simulator
from sim.state import SimState, zero_state

Jit = Callable[[Callable], Callable]
"""Compiles a pure function; handed in, because tasks compile nothing themselves."""


def as_it_is(function: Callable) -> Callable:
    """The `Jit` that leaves a function to run operation by operation."""
    return function


class BankError(Exception):
    """Too few start states became what the configuration accepts."""


@struct.dataclass
class Scene:
    """One instant as a task sees it; the poses are computed once and kept."""

    state: SimState
    tip: TipPose  # measured: [N, 3] m, [N, 3, 3]
    command: TipPose  # commanded: [N, 3] m, [N, 3, 3]


@struct.dataclass
class Episode:
    """What a task remembers between two steps."""

    joint_targets: jax.Array  # [N, J] rad
    action: jax.Array  # [N, A] clipped action in force
    prev_action: jax.Array  # [N, A] the one before
    step: jax.Array  # [N] int32, control steps taken
    held: jax.Array  # [N] int32, steps in a row in which success held
    potential: dict[str, jax.Array]  # [N] each, of the state the action was chosen in


@struct.dataclass
class Verdict:
    """Judgement of the step that just ended."""

    reward: jax.Array  # [N]
    terms: dict[str, jax.Array]  # [N] each, weighted
    terminated: jax.Array  # [N] bool
    truncated: jax.Array  # [N] bool
    success: jax.Array  # [N] bool
    out: jax.Array  # [N] bool
    invalid: jax.Array  # [N] bool


@struct.dataclass
class Bank:
    """Start states that were settled in the simulator, with the arm above them."""

    state: SimState  # [B, ...] screws at rest, arm at home
    joint_starts_rad: jax.Array  # [B, J]
    tips: TipPose  # [B, 3] m, [B, 3, 3], of the joint starts


def abstract_bank(spec: SimSpec, size: int) -> Bank:
    """A bank of nothing but shapes: those of what a checkpoint brings."""

    def rows(*shape: int) -> Any:
        return jax.ShapeDtypeStruct((size, *shape), jnp.float32)

    return Bank(
        state=jax.eval_shape(lambda: zero_state(spec.scene, size)),
        joint_starts_rad=rows(len(spec.scene.robot.joints)),
        tips=TipPose(rows(3), rows(3, 3)),
    )


class Task(Protocol):
    """Batched pure functions, and one host function that builds the bank."""

    @property
    def name(self) -> str: ...
    @property
    def obs_layout(self) -> tuple[Any, ...]: ...
    @property
    def obs_size(self) -> int: ...
    @property
    def action_size(self) -> int: ...
    @property
    def horizon(self) -> int: ...
    @property
    def reward_keys(self) -> tuple[str, ...]: ...

    def build_bank(self, sim: Simulator, size: int, seed: int, jit: Jit = as_it_is) -> Bank:
        """Settles `size` start states in `sim`; leaves `sim` in an arbitrary state."""
        ...

    def begin(self, bank: Bank, jumble: jax.Array, start: jax.Array) -> tuple[Scene, Episode]:
        """Start of episodes with the bank's jumbles `[N]` and arm poses `[N]` (indices)."""
        ...

    def look(self, episode: Episode, state: SimState) -> Scene:
        """The instant `state`, poses included."""
        ...

    def is_invalid(self, state: SimState) -> jax.Array:
        """Scenes `[N]` whose physics blew up; to be replaced before anything else reads them."""
        ...

    def judge(self, episode: Episode, scene: Scene, invalid: jax.Array) -> tuple[Verdict, Episode]:
        """Judges the step that led to `scene`. Invalid environments end with reward 0."""
        ...

    def observe(self, episode: Episode, scene: Scene) -> jax.Array:
        """Observations `[N, O]`."""
        ...

    def act(self, episode: Episode, scene: Scene, action: jax.Array) -> Episode:
        """Takes the raw action `[N, A]` from `scene`: next joint targets, next memory."""
        ...

    def scripted_action(self, episode: Episode, scene: Scene) -> jax.Array:
        """Actions `[N, A]` of a baseline written by hand."""
        ...
