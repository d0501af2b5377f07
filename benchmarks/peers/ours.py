"""Our learner: one compiled call."""

import jax
import jax.numpy as jnp

from benchmarks.peers.problem import Data, Peer, Problem
from screwpush_jax import compiled
from screwpush_jax.algorithms.common.types import Rollout
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.transition import Tally


def make(problem: Problem, data: Data) -> Peer:
    algorithm = PPO(problem.ppo, {"policy": problem.obs_size}, problem.action_size)
    fresh, no_episodes = algorithm.init(jax.random.key(0)), Tally({}, jnp.zeros(()))
    learner, rollout, tally = compiled.place((fresh, _rollout(data), no_episodes))
    compiled_update = compiled.compile_update(algorithm, 1000)
    held = {"learner": learner}

    def update() -> None:
        held["learner"], metrics = compiled_update(held["learner"], rollout, tally)
        jax.block_until_ready((held["learner"], metrics))

    def steps() -> int:
        counts = [
            leaf
            for path, leaf in jax.tree.leaves_with_path(held["learner"].opt_state)
            if "count" in jax.tree_util.keystr(path)
        ]
        return int(counts[0])

    return Peer(lambda: None, update, steps)


def _rollout(data: Data) -> Rollout:
    arrays = {name: jnp.asarray(array) for name, array in data._asdict().items()}
    return Rollout(
        obs={"policy": arrays["obs"]},
        records={name: arrays[name] for name in ("log_prob", "value", "next_value")},
        **{name: arrays[name] for name in ("action", "reward", "terminated", "truncated")},
    )
