"""One episode per environment, from start state number n in environment n: for evaluation."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.ppo.rollout import best_action
from screwpush_jax.ppo.types import Policy
from screwpush_jax.tasks.task import Bank, Episode, Scene
from screwpush_jax.transition import Interface, select
from sim.protocol import Views

Choose = Callable[[Interface, Policy, Episode, Scene, jax.Array, jax.Array], jax.Array]
"""`(parts, policy, episode, scene, obs, key) -> action [N, A]`."""


def _deterministic(parts, policy, episode, scene, obs, key) -> jax.Array:
    """The learned policy's mean action."""
    del episode, scene, key
    return best_action(parts.network, policy, obs)


def _random(parts, policy, episode, scene, obs, key) -> jax.Array:
    """Uniform over the action's range."""
    del policy, episode, scene
    return jax.random.uniform(key, (obs.shape[0], parts.task.action_size), minval=-1.0)


def _scripted(parts, policy, episode, scene, obs, key) -> jax.Array:
    """The task's scripted baseline."""
    del policy, obs, key
    return parts.task.scripted_action(episode, scene)


POLICIES: dict[str, Choose] = {
    "learned": _deterministic,
    "random": _random,
    "scripted": _scripted,
}
"""Who can be examined; `step` takes the position in this table."""


@struct.dataclass
class Exam:
    """Episodes under way, `[N]` each; the figures of an ended one no longer change."""

    key: jax.Array
    begun: jax.Array  # [] bool
    episode: Episode
    done: jax.Array  # bool
    success: jax.Array  # bool
    out: jax.Array  # bool
    invalid: jax.Array  # bool
    length: jax.Array  # int32, control steps
    return_: jax.Array  # sum of rewards


def init_exam(parts: Interface, bank: Bank, key: jax.Array) -> Exam:
    """An episode for each start state, to begin at the next `step`."""
    num_envs = bank.joint_starts_rad.shape[0]
    no, rows = jnp.zeros(num_envs, bool), jnp.arange(num_envs)
    exam = Exam(
        key=key,
        begun=jnp.array(False),
        episode=parts.task.begin(bank, rows, rows)[1],
        done=no,
        success=no,
        out=no,
        invalid=no,
        length=jnp.zeros(num_envs, jnp.int32),
        return_=jnp.zeros(num_envs),
    )
    return jax.tree.map(jnp.copy, exam)  # each leaf its own memory: all of it is donated


def step(
    parts: Interface, bank: Bank, policy: Policy, kind: jax.Array, exam: Exam, views: Views
) -> tuple[jax.Array, jax.Array, Views, Exam]:
    """Judges and acts, as a transition does, but starts no second episode; number `kind` acts.

    A scene that blew up is put back to its start, where it stands still; its episode has ended.

    Returns:
      Joint targets `[N, J]`, the mask `[N]` of environments to write (all of them before the first
      step, later those that blew up in the last one), their state, and the next exam.
    """
    task = parts.task
    rows = jnp.arange(exam.done.shape[0])
    start_scene, start_episode = task.begin(bank, rows, rows)
    state = parts.unpack(views)
    bad = task.is_invalid(state)
    rewritten = bad | ~exam.begun
    state = select(rewritten, start_scene.state, state)
    scene = task.look(exam.episode, state)
    verdict, episode = task.judge(exam.episode, scene, bad)
    exam = _note(exam, verdict, episode)

    scene, episode = select(rewritten, (start_scene, start_episode), (scene, episode))
    key, action_key = jax.random.split(exam.key)
    obs = task.observe(episode, scene)
    choices = [functools.partial(choose, parts) for choose in POLICIES.values()]
    action = jax.lax.switch(kind, choices, policy, episode, scene, obs, action_key)
    moved = task.act(episode, scene, action)
    episode = select(exam.done, episode, moved)  # an ended episode stands still
    exam = dataclasses.replace(exam, key=key, begun=jnp.array(True), episode=episode)
    return episode.joint_targets, rewritten, parts.pack(scene.state), exam


def _note(exam: Exam, verdict, episode: Episode) -> Exam:
    """The step's verdict, for the episodes that are still running."""
    live = exam.begun & ~exam.done
    ends = verdict.terminated | verdict.truncated
    return dataclasses.replace(
        exam,
        done=exam.done | (live & ends),
        success=exam.success | (live & verdict.success),
        out=exam.out | (live & verdict.out),
        invalid=exam.invalid | (live & verdict.invalid),
        length=jnp.where(live, episode.step, exam.length),
        return_=exam.return_ + jnp.where(live, verdict.reward, 0.0),
    )
