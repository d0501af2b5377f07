"""Disturbances at work (`screwpush_jax.tasks.disturbance`): pure functions that `env.advance` calls.

Legend: N environments, U controls, D the longest delay.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.tasks import optional
from screwpush_jax.tasks.disturbance import Disturbance, Error
from screwpush_jax.tasks.parts import SetLayout
from screwpush_jax.tasks.task import Task
from screwpush_sim.state import SimState

POLICY, CRITIC = "policy", "critic"
Obs = dict[str, jax.Array]


@struct.dataclass
class Disturbed:
    """What was drawn for the running episode, and the controls that are on their way."""

    delay: jax.Array  # [N] int32, control steps
    queue: jax.Array | None  # [N, D, U] the newest first; None where nothing is ever late
    luck: jax.Array  # [N] 0 to 1: what a larger share of episodes hides is hidden in this one
    robot_bias: dict[str, jax.Array]  # [N, ...] each
    body_bias: dict[str, dict[str, jax.Array]]  # [N, B, ...] each, by group


def of_task(task: Task) -> Disturbance | None:
    """What the task's options ask for; None if that is nothing, or they have no such section."""
    given = getattr(getattr(task, "config", None), "disturbance", None)
    return given if isinstance(given, Disturbance) and _is_on(given) else None


def _known(task: Task) -> Disturbance:
    config = of_task(task)
    assert config is not None
    return config


def _is_on(config: Disturbance) -> bool:
    errors = [*config.robot_errors.values(), *config.body_errors.values()]
    wrong = any(error != Error() for error in errors)
    return bool(wrong or config.delay_steps[1] or config.push[0] or config.asymmetric_critic)


def undisturbed(options: Any) -> Any:
    """A task's `options` without disturbances; what its critic is shown stays."""
    given = getattr(options, "disturbance", None)
    if not isinstance(given, Disturbance):
        return options
    off = type(given)(asymmetric_critic=given.asymmetric_critic)
    return dataclasses.replace(options, disturbance=off)


def obs_sizes(task: Task, num_factors: int = 0) -> Mapping[str, int]:
    """O of each observation that learners are given, by name; P = `num_factors` of `Env.factors`."""
    sizes = task.obs_sizes
    if not shows_truth(task):
        return sizes
    return {**sizes, CRITIC: sizes.get(CRITIC, sizes[POLICY]) + 1 + num_factors}


def obs_sets(task: Task) -> Mapping[str, SetLayout]:
    """The sets in them; what the critic is told besides stands behind the policy's observation."""
    sets = optional.obs_sets(task)
    if not shows_truth(task) or POLICY not in sets or CRITIC in task.obs_sizes:
        return sets
    return {**sets, CRITIC: sets[POLICY]}


def shows_truth(task: Task) -> bool:
    """Whether there is a critic that sees what the policy does not."""
    config = of_task(task)
    return config is not None and config.asymmetric_critic


def draw(task: Task, control: jax.Array, state: SimState, key: jax.Array) -> Disturbed | None:
    """What disturbs episodes that begin in `state`, while `control [N, U]` is in force; None without any."""
    config = of_task(task)
    if config is None:
        return None
    delay_key, luck_key, robot_key, *body_keys = jax.random.split(key, 3 + len(state.bodies))
    low, high = config.delay_steps
    num_envs, size = control.shape
    groups = zip(state.bodies.items(), body_keys, strict=True)
    return Disturbed(
        delay=jax.random.randint(delay_key, (num_envs,), low, high + 1),
        queue=jnp.broadcast_to(control[:, None], (num_envs, high, size)) if high else None,
        luck=jax.random.uniform(luck_key, (num_envs,)),
        robot_bias=_biases(config.robot_errors, state.robot, robot_key),
        body_bias={name: _biases(config.body_errors, group, k) for (name, group), k in groups},
    )


def late(disturbed: Disturbed | None, control: jax.Array) -> tuple[jax.Array, Disturbed | None]:
    """Which of the controls reaches the drives when `control [N, U]` sets out, `[N, U]`."""
    if disturbed is None or disturbed.queue is None:
        return control, disturbed
    known = jnp.concatenate([control[:, None], disturbed.queue], axis=1)
    due = jnp.take_along_axis(known, disturbed.delay[:, None, None], axis=1)[:, 0]
    return due, dataclasses.replace(disturbed, queue=known[:, :-1])


def measured(task: Task, disturbed: Disturbed, state: SimState, key: jax.Array) -> SimState:
    """What sensors say of `state`."""
    config = _known(task)
    robot_key, *body_keys = jax.random.split(key, 1 + len(state.bodies))
    luck = disturbed.luck
    robot = _wrong(config.robot_errors, luck, disturbed.robot_bias, state.robot, robot_key)
    bodies = {
        name: _wrong(config.body_errors, luck, disturbed.body_bias[name], group, group_key)
        for (name, group), group_key in zip(state.bodies.items(), body_keys, strict=True)
    }
    return dataclasses.replace(state, robot=robot, bodies=bodies)


def observations(
    task: Task, disturbed: Disturbed, seen: Obs, truth: Obs, factors: jax.Array | None = None
) -> Obs:
    """What the policy and the critic are shown, by the task's observations of what was measured
    (`seen`) and of what is (`truth`); to the latter the critic is told the delay and the scene's
    `factors [N, P]`."""
    if not shows_truth(task):
        return {**truth, POLICY: seen[POLICY]}
    told = [truth.get(CRITIC, truth[POLICY]), disturbed.delay.astype(jnp.float32)[:, None]]
    told += [] if factors is None else [factors]
    return {POLICY: seen[POLICY], CRITIC: jnp.concatenate(told, axis=-1)}


def pushes(task: Task) -> bool:
    """Whether robots are pushed."""
    config = of_task(task)
    return config is not None and config.push[0] > 0


def pushed(
    task: Task, state: SimState, may_be: jax.Array, key: jax.Array
) -> tuple[SimState, jax.Array]:
    """The state after the pushes that fall now, and whom they met, `[N]` bool, of those that `may_be
    [N]`."""
    most_m_s, every = _known(task).push
    linvel_w = state.robot.base_linvel_w
    assert linvel_w is not None
    when_key, kick_key = jax.random.split(key)
    met = may_be & jax.random.bernoulli(when_key, 1.0 / every, may_be.shape)
    kick = jax.random.uniform(kick_key, linvel_w.shape, minval=-most_m_s, maxval=most_m_s)
    kick = jnp.where(met[:, None], kick.at[:, 2].set(0.0), 0.0)
    return state.with_robot(base_linvel_w=linvel_w + kick), met


def _biases(errors: Mapping[str, Error], part: Any, key: jax.Array) -> dict[str, jax.Array]:
    """Of the quantities in `part` of the state that have one."""
    keys = jax.random.split(key, max(len(errors), 1))
    return {
        name: error.bias * jax.random.normal(one, getattr(part, name).shape)
        for (name, error), one in zip(errors.items(), keys, strict=False)
        if error.bias
    }


def _wrong(
    errors: Mapping[str, Error],
    luck: jax.Array,
    biases: Mapping[str, jax.Array],
    part: Any,
    key: jax.Array,
) -> Any:
    """`part` of the state as it is measured."""
    keys, read = jax.random.split(key, max(len(errors), 1)), {}
    for (name, error), one in zip(errors.items(), keys, strict=False):
        value = getattr(part, name)
        if name.endswith("quat_w") and error.noise:
            value = _turned(value, error.noise * jax.random.normal(one, (*value.shape[:-1], 3)))
        elif error.noise:
            value = value + error.noise * jax.random.normal(one, value.shape)
        if name in biases:
            value = value + biases[name]
        if error.hidden:
            seen = (luck >= error.hidden).reshape(-1, *[1] * (value.ndim - 1))
            value = jnp.where(seen, value, 0.0)
        read[name] = value
    return dataclasses.replace(part, **read)


def _turned(quat_w: jax.Array, turn_rad: jax.Array) -> jax.Array:
    """`quat_w [..., 4]` (wxyz) after a small turn about the world's axes, `turn_rad [..., 3]`."""
    w, axis = quat_w[..., :1], quat_w[..., 1:]
    half = 0.5 * turn_rad
    scalar = w - jnp.sum(half * axis, axis=-1, keepdims=True)
    vector = axis + w * half + jnp.cross(half, axis)
    turned = jnp.concatenate([scalar, vector], axis=-1)
    return turned / jnp.linalg.norm(turned, axis=-1, keepdims=True)
