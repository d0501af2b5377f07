"""What the live policy did in episodes of its own: what an exported one is held against."""

from typing import Any

import jax
import numpy as np
from flax import struct

from screwpush_jax import compiled
from screwpush_jax.build import World
from screwpush_jax.episodes import LEARNED, policy_names
from screwpush_jax.evaluation import unseen_starts
from screwpush_jax.policy_file.controller import (
    ACTION,
    CONTROL,
    MEMORY,
    OBSERVATION,
    POLICY,
    STEP,
    Controller,
    name_leaves,
    name_next,
)
from screwpush_sim.state import SimState

Rows = dict[str, Any]
"""Host arrays `[M, ...]` by name."""


@struct.dataclass
class Recorded:
    """M control steps of episodes under way; leaves `[M, ...]` on the host."""

    before: Rows  # state, memory and clock by the controller's names
    after: Rows  # control and memory, as evaluation made them
    state: SimState


def record(world: World, policy: Any, count: int, seed: int) -> Recorded:
    """At least `count` control steps of whole episodes from unseen start states."""
    functions = compiled.compile_episodes(world.env, world.algorithm)
    parts, rows = [], 0
    while rows < count:
        part = _whole_episodes(world, functions, policy, seed)
        parts.append(part)
        rows += len(part.before[STEP])
        seed += 1
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def live_actions(world: World, policy: Any, controller: Controller, rows: Rows) -> Rows:
    """Observations `[M, O]` that the policy sees there, and its actions `[M, A]` at just these."""
    names = list(controller.inputs)
    seen_at = list(controller.outputs).index(OBSERVATION)
    observe = compiled.jit(jax.vmap(lambda *inputs: controller.function(*inputs)[seen_at]))
    obs = observe(*(rows[name] for name in names))
    memory = world.algorithm.init_memory(len(obs))
    act = compiled.jit(lambda obs: world.algorithm.act_best(policy, memory, {POLICY: obs})[0])
    return {OBSERVATION: np.asarray(obs), ACTION: np.asarray(act(obs))}


def _whole_episodes(world: World, functions: Any, policy: Any, seed: int) -> Recorded:
    sim, env = world.sim, world.env
    kind = np.int32(policy_names(env.task).index(LEARNED))
    starts, unpack = unseen_starts(world, seed), compiled.jit(env.unpack)
    episodes = functions.init(starts, jax.random.key(seed))
    policy, starts, episodes = compiled.place((policy, starts, episodes))
    steps = []
    for _ in range(env.task.horizon + 1):
        memory = _to_host(_memory(episodes))
        control, mask, views, episodes = functions.step(
            starts, policy, kind, episodes=episodes, views=sim.views()
        )
        sim.write(mask, views)
        live = ~np.asarray(episodes.env.frozen)
        if not live.any():
            break
        state = _to_host(unpack(views))
        before = name_leaves({"state": state, **memory}) | {STEP: np.array(episodes.env.step)}
        after = name_next(_to_host(_memory(episodes))) | {CONTROL: np.array(control)}
        steps.append(jax.tree.map(lambda x, m=live: x[m], Recorded(before, after, state)))
        sim.step(control)
    sim.report()()
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *steps)


def _memory(episodes: Any) -> dict[str, Any]:
    return dict(zip(MEMORY, (episodes.env.memory, episodes.policy_memory), strict=True))


def _to_host(tree: Any) -> Any:
    return jax.tree.map(np.array, tree)
