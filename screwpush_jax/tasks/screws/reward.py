"""Reward terms that tasks on screws have in common, raw, of one environment.

A potential is a function of the state alone; its term is the difference of two neighbours, so that
over an episode it telescopes and cannot be farmed (Ng, Harada, Russell 1999, with discount 1).
"""

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.tasks.screws.types import Derived


@struct.dataclass
class Outcome:
    """What came of one step, beside what the potentials say."""

    derived: Derived  # the instant that the step led to
    success: jax.Array  # [] bool, the condition was met for long enough
    met: jax.Array  # [] bool, the success condition is met at this instant
    out: jax.Array  # [] bool, a screw left the area or fell
    action: jax.Array  # [A] clipped
    prev_action: jax.Array  # [A] clipped, the one before


def differences(
    potential: dict[str, jax.Array], next_potential: dict[str, jax.Array]
) -> dict[str, jax.Array]:
    """Terms `[]` of the potentials before and after a step."""
    return {name: next_potential[name] - potential[name] for name in potential}


def event_terms(outcome: Outcome) -> dict[str, jax.Array]:
    """Terms `[]` of what happened and of how it was done."""
    return {
        "success": outcome.success.astype(jnp.float32),
        "holding": outcome.met.astype(jnp.float32),
        "failure": outcome.out.astype(jnp.float32),
        "action_rate": jnp.sum((outcome.action - outcome.prev_action) ** 2),
        "time": jnp.float32(1.0),
    }
