"""What happens between two physics steps, as one pure function.

It advances the environments (`screwpush_jax.env`), lets the policy act, and writes its record into
the rollout. What it returns is all that the simulator needs.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.algorithms.algorithm import Algorithm, Decision, blank_step
from screwpush_jax.algorithms.common.rollout import init_rollout, record
from screwpush_jax.algorithms.common.types import Obs, Progress, Records, Rollout
from screwpush_jax.env import (
    Env,
    EnvKeys,
    EnvState,
    EnvStep,
    act,
    advance,
    figure_names,
    init_env,
    select,
)
from screwpush_jax.tasks.task import Starts, Task
from screwpush_sim.protocol import Views

EPISODES = "episodes"
"""Key of the number of ended episodes among their means."""


@struct.dataclass
class Pending:
    """The decision whose step is being simulated, and what it was made in."""

    obs: Obs  # [N, O] each
    decision: Decision  # [N, ...]


@struct.dataclass
class Tally:
    """Sums over the episodes that ended in this iteration."""

    finished: dict[str, jax.Array]  # [] each, sums by metric name
    episodes: jax.Array  # [] how many ended


@struct.dataclass
class Carry:
    """Everything that lives from one transition to the next."""

    key: jax.Array
    t: jax.Array  # [] int32, where the next record goes; -1 before the first step
    env: EnvState
    pending: Pending
    rollout: Rollout
    tally: Tally


def init_carry(
    task: Task, algorithm: Algorithm, starts: Starts, num_envs: int, key: jax.Array
) -> Carry:
    """A carry in which every environment waits to be started."""
    names = figure_names(task, task.reward_keys)
    decision, step = blank_step(algorithm, num_envs)
    carry = Carry(
        key=key,
        t=jnp.int32(-1),
        env=init_env(task, starts, num_envs, task.reward_keys),
        pending=Pending(step.obs, decision),
        rollout=init_rollout(algorithm.num_steps, step),
        tally=Tally(
            finished={f"env/{name}": jnp.zeros(()) for name in names},
            episodes=jnp.zeros(()),
        ),
    )
    return jax.tree.map(jnp.copy, carry)  # each leaf its own memory: all of it is donated


def transition(
    env: Env,
    algorithm: Algorithm,
    starts: Starts,
    policy: Any,
    carry: Carry,
    views: Views,
) -> tuple[jax.Array, jax.Array, Views, Carry]:
    """From the state after a step to what the next one needs.

    Returns:
      The control `[N, U]`, the mask `[N]` of environments that start anew, the state they start from
      in the engine's layout, and the next carry.
    """
    key, rows_key, clock_key, action_key, *others = jax.random.split(carry.key, 6)
    keys = EnvKeys(rows_key, clock_key, *others)
    done, state, now = advance(env, starts, carry.env, views, keys)
    memory = carry.pending.decision.memory
    progress = Progress(done.live, done.figures["return"])
    rollout = _record(carry, done, algorithm.after(policy, memory, done.final_obs, progress))
    tally = _count(carry, done)

    memory = select(now.restarted, algorithm.init_memory(now.restarted.shape[0]), memory)
    decision = algorithm.act(policy, memory, now.obs, action_key)
    control, state = act(env, state, now, decision.action)
    obs = {name: now.obs[name] for name in algorithm.obs_sizes}
    t = (carry.t + 1) % rollout.reward.shape[0]
    return (
        control,
        now.rewritten,
        now.views,
        Carry(key, t, state, Pending(obs, decision), rollout, tally),
    )


def _record(carry: Carry, done: EnvStep, records: Records) -> Rollout:
    """The rollout with the ended step at t; before the first step, slot 0 takes a blank."""
    decision = carry.pending.decision
    step = Rollout(
        obs=carry.pending.obs,
        action=decision.action,
        records=decision.records | records,
        reward=done.reward,
        terminated=done.terminated,
        truncated=done.truncated,
    )
    return record(carry.rollout, jnp.maximum(carry.t, 0), step)


def _count(carry: Carry, done: EnvStep) -> Tally:
    """Adds the ended episodes to the iteration's sums."""
    old = carry.tally
    keep = jnp.where(carry.t == 0, 0.0, 1.0)  # a new iteration forgets the last one's sums
    sums = {
        f"env/{name}": jnp.sum(jnp.where(done.ended, value.astype(jnp.float32), 0.0))
        for name, value in done.figures.items()
    }
    return Tally(
        finished={name: keep * old.finished[name] + value for name, value in sums.items()},
        episodes=keep * old.episodes + jnp.sum(done.ended, dtype=jnp.float32),
    )


def join(rollouts: Sequence[Rollout], tallies: Sequence[Tally]) -> tuple[Rollout, Tally]:
    """Groups of environments as one: rollouts side by side along N, tallies added."""
    rollout = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *rollouts)
    return rollout, jax.tree.map(lambda *parts: sum(parts), *tallies)


def episode_means(tally: Tally) -> dict[str, jax.Array]:
    """Means over the iteration's ended episodes by metric name, and under `EPISODES` their number."""
    count = jnp.maximum(tally.episodes, 1.0)
    means = {name: value / count for name, value in tally.finished.items()}
    return means | {EPISODES: jnp.where(tally.episodes > 0, count, 0.0)}
