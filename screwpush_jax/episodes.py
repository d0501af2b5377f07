"""One episode per environment, from start state number n in environment n: for evaluation."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.algorithms.algorithm import Algorithm
from screwpush_jax.algorithms.common.types import Obs
from screwpush_jax.env import (
    Env,
    EnvKeys,
    EnvState,
    act,
    advance,
    init_env,
    select,
)
from screwpush_jax.recording import Recording, init_recording, record
from screwpush_jax.tasks.task import Baseline, Starts, Task
from screwpush_sim.protocol import Views

LEARNED, RANDOM = "learned", "random"


@struct.dataclass
class Episodes:
    """Episodes under way; the figures of an ended one no longer change."""

    key: jax.Array
    env: EnvState
    policy_memory: Any  # [N, ...] the learned policy's own
    ended: jax.Array  # [N] bool
    figures: dict[str, jax.Array]  # [N] each, by metric name
    recording: Recording  # what the task watches


def policy_names(task: Task | type[Task]) -> tuple[str, ...]:
    """Who can be evaluated; `step` takes the position in this table."""
    return LEARNED, RANDOM, *task.baselines


def init_episodes(env: Env, algorithm: Algorithm, starts: Starts, key: jax.Array) -> Episodes:
    """An episode for each start state, to begin at the next `step`."""
    num_envs = jax.tree.leaves(starts)[0].shape[0]
    state = init_env(env.task, starts, num_envs)
    none = jnp.zeros(num_envs, bool)
    figures = jax.eval_shape(partial(_figures, env), starts, state, key)
    episodes = Episodes(
        key=key,
        env=state,
        policy_memory=algorithm.init_memory(num_envs),
        ended=none,
        figures={name: jnp.zeros(x.shape, x.dtype) for name, x in figures.items()},
        recording=init_recording(env.task, starts, num_envs),
    )
    return jax.tree.map(jnp.copy, episodes)  # each leaf its own memory: all of it is donated


def step(
    env: Env,
    algorithm: Algorithm,
    starts: Starts,
    policy: Any,
    kind: jax.Array,
    episodes: Episodes,
    views: Views,
) -> tuple[jax.Array, jax.Array, Views, Episodes]:
    """Advances and acts, as a transition does, but starts no second episode; number `kind` acts.

    A scene that blew up is put back to its start, where it stands still; its episode has ended.

    Returns:
      The control `[N, U]`, the mask `[N]` of environments to write (all of them before the first
      step, later those that blew up in the last one), their state, and the next episodes.
    """
    key, action_key, *others = jax.random.split(episodes.key, 6)
    done, state, now = advance(env, starts, episodes.env, views, EnvKeys(*others))
    figures = select(done.ended, done.figures, episodes.figures)
    sound = now.restarted | (done.live & ~done.figures["invalid"])
    recording = record(env.task, episodes.recording, sound, state.step, now.derived)
    action, policy_memory = jax.lax.switch(
        kind,
        actors(algorithm, env.task),
        *(policy, episodes.policy_memory, state.memory, now.derived, now.obs, action_key),
    )
    control, state = act(env, state, now, action)
    ended = episodes.ended | done.ended
    episodes = Episodes(key, state, policy_memory, ended, figures, recording)
    return control, now.rewritten, now.views, episodes


def _figures(env: Env, starts: Starts, state: EnvState, key: jax.Array) -> dict[str, jax.Array]:
    """Figures that mean nothing, of the names, shapes and types of any step's."""
    rows = jnp.zeros((env.task.rows_per_start, state.step.shape[0]), jnp.int32)
    views = env.pack(env.task.reset(starts, rows, key)[0].state)
    keys = EnvKeys(*jax.random.split(key, 4))
    return advance(env, starts, state, views, keys)[0].figures


def actors(algorithm: Algorithm, task: Task) -> list[Callable[..., tuple[jax.Array, Any]]]:
    """Who may act, in the order of `policy_names`.

    Each is `(policy, policy_memory, memory, derived, obs, key) -> (action [N, A], policy_memory)`.
    """

    def learned(
        policy: Any, policy_memory: Any, memory: Any, derived: Any, obs: Obs, key: jax.Array
    ):
        """The learned policy's best action."""
        del memory, derived, key
        return algorithm.act_best(policy, policy_memory, obs)

    def random(
        policy: Any, policy_memory: Any, memory: Any, derived: Any, obs: Obs, key: jax.Array
    ):
        """Uniform over the action's range."""
        del policy, memory, derived
        shape = (obs["policy"].shape[0], task.action_size)
        return jax.random.uniform(key, shape, minval=-1.0), policy_memory

    def of_task(baseline: Baseline) -> Callable[..., tuple[jax.Array, Any]]:
        return lambda _, policy_memory, memory, derived, obs, key: (
            baseline(task, memory, derived, key),
            policy_memory,
        )

    return [learned, random, *map(of_task, task.baselines.values())]
