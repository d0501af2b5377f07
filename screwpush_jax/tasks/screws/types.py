"""What the task keeps, derives and starts from. Legend: N environments, B starts, J joints."""

from dataclasses import fields as fields_of
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.tasks.screws.kinematics import TipPose
from sim.protocol import SimSpec, SimState


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


def abstract_starts(spec: SimSpec, size: int) -> ScrewStarts:
    """Start states that are nothing but shapes."""
    joints, screws = len(spec.arm.range_rad), spec.num_screws
    shapes = {"joint_pos_rad": (joints,), "joint_vel": (joints,), "screw_quat_w": (screws, 4)}
    fields = {field.name: shapes.get(field.name, (screws, 3)) for field in fields_of(SimState)}

    def rows(*shape: int) -> Any:
        return jax.ShapeDtypeStruct((size, *shape), jnp.float32)

    return ScrewStarts(
        state=SimState(**{name: rows(*shape) for name, shape in fields.items()}),
        joint_starts_rad=rows(joints),
        tips=TipPose(rows(3), rows(3, 3)),
    )
