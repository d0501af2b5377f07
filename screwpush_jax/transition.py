"""What happens between two physics steps, as one pure function.

It judges the step that just ended, starts finished environments anew from the bank, observes, acts,
and writes its record into the rollout. What it returns is all that the simulator needs.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.ppo.networks import ActorCritic
from screwpush_jax.ppo.rollout import choose_action, init_rollout, predict_value, record
from screwpush_jax.ppo.types import Policy, Rollout
from screwpush_jax.tasks.task import Bank, Episode, Scene, Task, Verdict
from sim.protocol import Views
from sim.state import SimState

EPISODES = "episodes"
"""Key of the number of ended episodes among their means."""


@struct.dataclass
class Pending:
    """The decision whose step is being simulated."""

    obs: jax.Array  # [N, O]
    action: jax.Array  # [N, A]
    log_prob: jax.Array  # [N]
    value: jax.Array  # [N]


@struct.dataclass
class Tally:
    """Sums over the episodes that ended in this iteration, and over each running episode."""

    running: dict[str, jax.Array]  # [N] each, reward terms of the running episode
    finished: dict[str, jax.Array]  # [] each, sums by metric name
    episodes: jax.Array  # [] how many ended


@struct.dataclass
class Carry:
    """Everything that lives from one transition to the next."""

    key: jax.Array
    t: jax.Array  # [] int32, where the next record goes; -1 before the first step
    fresh: jax.Array  # [N] bool, to be started whatever the simulator shows
    episode: Episode
    pending: Pending
    rollout: Rollout
    tally: Tally


class Interface(struct.PyTreeNode):
    """The static parts: a task, a network, and the engine's pure conversions."""

    task: Task = struct.field(pytree_node=False)
    network: ActorCritic = struct.field(pytree_node=False)
    unpack: Callable[[Views], SimState] = struct.field(pytree_node=False)
    pack: Callable[[SimState], Views] = struct.field(pytree_node=False)


def init_carry(task: Task, bank: Bank, num_envs: int, num_steps: int, key: jax.Array) -> Carry:
    """A carry in which every environment waits to be started."""
    zero_index = jnp.zeros(num_envs, jnp.int32)
    scalar = jnp.zeros(num_envs)
    rollout = init_rollout(num_steps, num_envs, task.obs_size, task.action_size)
    carry = Carry(
        key=key,
        t=jnp.int32(-1),
        fresh=jnp.ones(num_envs, bool),
        episode=task.begin(bank, zero_index, zero_index)[1],
        pending=Pending(rollout.obs[0], rollout.action[0], scalar, scalar),
        rollout=rollout,
        tally=Tally(
            running=dict.fromkeys(task.reward_keys, scalar),
            finished={name: jnp.zeros(()) for name in _finished_names(task)},
            episodes=jnp.zeros(()),
        ),
    )
    return jax.tree.map(jnp.copy, carry)  # each leaf its own memory: all of it is donated


def transition(
    parts: Interface, bank: Bank, policy: Policy, carry: Carry, views: Views
) -> tuple[jax.Array, jax.Array, Views, Carry]:
    """From the state after a step to what the next one needs.

    Returns:
      Joint targets `[N, J]` (rad), the mask `[N]` of environments that start anew, the state they
      start from in the engine's layout, and the next carry.
    """
    task, network = parts.task, parts.network
    key, draw_key, clock_key, action_key = jax.random.split(carry.key, 4)
    start_scene, start_episode = _draw(task, bank, carry, draw_key, clock_key)

    state = parts.unpack(views)
    invalid = task.is_invalid(state) & ~carry.fresh
    state = select(invalid | carry.fresh, start_scene.state, state)
    scene = task.look(carry.episode, state)
    verdict, episode = task.judge(carry.episode, scene, invalid)
    next_value = predict_value(network, policy, task.observe(episode, scene))
    rollout = _record(carry, verdict, next_value)
    tally = _count(carry, verdict, episode)

    restart = verdict.terminated | verdict.truncated | carry.fresh
    scene, episode = select(restart, (start_scene, start_episode), (scene, episode))
    obs = task.observe(episode, scene)
    action, log_prob = choose_action(network, policy, obs, action_key)
    pending = Pending(obs, action, log_prob, predict_value(network, policy, obs))
    episode = task.act(episode, scene, action)
    carry = Carry(
        key=key,
        t=(carry.t + 1) % rollout.reward.shape[0],
        fresh=jnp.zeros_like(carry.fresh),
        episode=episode,
        pending=pending,
        rollout=rollout,
        tally=tally,
    )
    return episode.joint_targets, restart, parts.pack(scene.state), carry


def _draw(
    task: Task, bank: Bank, carry: Carry, draw_key: jax.Array, clock_key: jax.Array
) -> tuple[Scene, Episode]:
    """A start for each environment; the very first ones at a random time of their episode."""
    shape, size = (2, *carry.fresh.shape), bank.joint_starts_rad.shape[0]
    jumble, start = jax.random.randint(draw_key, shape, 0, size)
    scene, episode = task.begin(bank, jumble, start)
    clock = jax.random.randint(clock_key, carry.fresh.shape, 0, task.horizon)
    return scene, dataclasses.replace(episode, step=jnp.where(carry.fresh, clock, episode.step))


def _record(carry: Carry, verdict: Verdict, next_value: jax.Array) -> Rollout:
    """The rollout with the judged step at t; before the first step, slot 0 takes a blank."""
    step = Rollout(
        obs=carry.pending.obs,
        action=carry.pending.action,
        log_prob=carry.pending.log_prob,
        value=carry.pending.value,
        reward=verdict.reward,
        terminated=verdict.terminated,
        truncated=verdict.truncated,
        next_value=next_value,
    )
    return record(carry.rollout, jnp.maximum(carry.t, 0), step)


def _count(carry: Carry, verdict: Verdict, episode: Episode) -> Tally:
    """Adds the step to the running sums and the ended episodes to the iteration's."""
    done = (verdict.terminated | verdict.truncated) & ~carry.fresh
    going = ~(done | carry.fresh)
    terms = {
        name: carry.tally.running[name] + jnp.where(carry.fresh, 0.0, verdict.terms[name])
        for name in verdict.terms
    }
    values = {f"env/reward/{name}": value for name, value in terms.items()} | {
        "env/success_once": verdict.success,
        "env/out_of_area": verdict.out,
        "env/invalid": verdict.invalid,
        "env/episode_len": episode.step,
        "env/return": jnp.sum(jnp.stack(list(terms.values())), axis=0),
    }
    old = carry.tally
    keep = jnp.where(carry.t == 0, 0.0, 1.0)  # a new iteration forgets the last one's sums
    return Tally(
        running={name: jnp.where(going, value, 0.0) for name, value in terms.items()},
        finished={
            name: keep * old.finished[name]
            + jnp.sum(jnp.where(done, value.astype(jnp.float32), 0.0))
            for name, value in values.items()
        },
        episodes=keep * old.episodes + jnp.sum(done, dtype=jnp.float32),
    )


def episode_means(tally: Tally) -> dict[str, jax.Array]:
    """Means over the iteration's ended episodes by metric name, and under `EPISODES` their number."""
    count = jnp.maximum(tally.episodes, 1.0)
    means = {name: value / count for name, value in tally.finished.items()}
    return means | {EPISODES: jnp.where(tally.episodes > 0, count, 0.0)}


def _finished_names(task: Task) -> list[str]:
    terms = [f"env/reward/{name}" for name in task.reward_keys]
    flags = ["success_once", "out_of_area", "invalid", "episode_len", "return"]
    return terms + [f"env/{name}" for name in flags]


def select(mask: jax.Array, if_true, if_false):
    """Leaf-wise choice by `mask [N]` on the leading axis."""

    def choose(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, if_true, if_false)
