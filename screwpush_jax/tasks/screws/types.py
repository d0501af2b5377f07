"""What the task keeps, derives and starts from. Legend: N environments, B starts, J joints."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.tasks.screws.kinematics import TipPose
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState, zero_state


@struct.dataclass
class Memory:
    """What the task remembers between two steps."""

    joint_targets: jax.Array  # [N, J] rad
    action: jax.Array  # [N, A] clipped action in force
    prev_action: jax.Array  # [N, A] the one before
    held: jax.Array  # [N] int32, steps in a row in which success held
    potential: dict[str, jax.Array]  # [N] each, of the state the action was chosen in


@struct.dataclass
class Derived:
    """One instant; the poses are computed once and kept."""

    state: SimState
    tip: TipPose  # measured: [N, 3] m, [N, 3, 3]
    command: TipPose  # commanded: [N, 3] m, [N, 3, 3]


@struct.dataclass
class ScrewStarts:
    """Start states that were settled in the simulator, with the arm above them."""

    state: SimState  # [B, ...] screws at rest, arm at home
    joint_starts_rad: jax.Array  # [B, J]
    tips: TipPose  # [B, 3] m, [B, 3, 3], of the joint starts


def abstract_starts(scene: Scene, size: int) -> ScrewStarts:
    """Start states that are nothing but shapes."""

    def rows(*shape: int) -> Any:
        return jax.ShapeDtypeStruct((size, *shape), jnp.float32)

    return ScrewStarts(
        state=jax.eval_shape(lambda: zero_state(scene, size)),
        joint_starts_rad=rows(len(scene.robot.joints)),
        tips=TipPose(rows(3), rows(3, 3)),
    )
