"""One control step of scenes that somebody watches: pure, and the same as in training.

An episode that has ended stands still until its scene is asked to start anew, so that one can see how
it ended.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.algorithms.algorithm import Algorithm
from screwpush_jax.env import Env, EnvKeys, EnvState, act, advance, init_env, select
from screwpush_jax.episodes import actors
from screwpush_jax.tasks.task import Starts
from screwpush_sim.protocol import Views


@struct.dataclass
class Scenes:
    """What lives from one step to the next."""

    key: jax.Array
    env: EnvState
    policy_memory: Any  # [N, ...] the learned policy's own


@struct.dataclass
class Seen:
    """Where the scenes stand: the state, before the action that is chosen in it."""

    memory: Any  # the task's own, [N, ...]
    derived: Any  # the task's own, [N, ...]
    step: jax.Array  # [N] int32, control steps of the running episode
    restarted: jax.Array  # [N] bool, whose episode begins here
    ended: jax.Array  # [N] bool, whose episode ended with the last step
    figures: dict[str, Any]  # [N] each, of the episode so far, reward terms with them


def init_scenes(env: Env, algorithm: Algorithm, starts: Starts, num_envs: int, key: jax.Array):
    """Scenes that all wait to be started."""
    state = init_env(env.task, starts, num_envs, env.task.reward_keys)
    return Scenes(key, state, algorithm.init_memory(num_envs))


def step(
    env: Env,
    algorithm: Algorithm,
    starts: Starts,
    policy: Any,
    kind: jax.Array,
    restart: jax.Array,
    scenes: Scenes,
    views: Views,
) -> tuple[jax.Array, jax.Array, Views, Scenes, Seen]:
    """Advances and acts; those of `restart [N]` begin anew, number `kind` of `policy_names` acts.

    Returns:
      The control `[N, U]`, the mask `[N]` of scenes to write, their state, the next scenes, and what
      there is to see.
    """
    key, action_key, *others = jax.random.split(scenes.key, 6)
    state = dataclasses.replace(scenes.env, needs_reset=scenes.env.needs_reset | restart)
    done, state, now = advance(env, starts, state, views, EnvKeys(*others))
    blank = algorithm.init_memory(restart.shape[0])
    memory = select(now.restarted, blank, scenes.policy_memory)
    seen = Seen(
        memory=state.memory,
        derived=now.derived,
        step=state.step,
        restarted=now.restarted,
        ended=done.ended,
        figures=done.figures | {"return": jnp.where(now.restarted, 0.0, done.figures["return"])},
    )
    action, memory = jax.lax.switch(
        kind,
        actors(algorithm, env.task),
        *(policy, memory, state.memory, now.derived, now.obs, action_key),
    )
    control, state = act(env, state, now, action)
    return control, now.rewritten, now.views, Scenes(key, state, memory), seen
