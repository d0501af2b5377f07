"""Policies written by hand."""

from typing import Any

import jax
import jax.numpy as jnp


def limp(task: Any, memory: Any, derived: Any, key: jax.Array) -> jax.Array:
    """No torque at all: actions `[N, A]`; a `screwpush_jax.tasks.task.Baseline`."""
    del memory, key
    return jnp.zeros((derived.state.robot.joint_pos.shape[0], task.action_size))
