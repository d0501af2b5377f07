"""Our learner: one compiled call."""

import jax
import jax.numpy as jnp

from benchmarks.peers.problem import Data, Peer, Problem
from screwpush_jax import compiled
from screwpush_jax.algorithms.common.types import Rollout
from screwpush_jax.algorithms.ppo.update import init_learner
from screwpush_jax.transition import Tally


def make(problem: Problem, data: Data) -> Peer:
    config = problem.ppo
    fresh = init_learner(config, problem.obs_size, problem.action_size, jax.random.key(0))
    learner, rollout, tally = compiled.place((fresh, _rollout(data), _no_episodes(problem)))
    compiled_update = compiled.compile_update(config, 1000)
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
    names = Rollout.__dataclass_fields__
    return Rollout(**{name: jnp.asarray(getattr(data, name)) for name in names})


def _no_episodes(problem: Problem) -> Tally:
    """The update only reports these sums."""
    names = ("env/return", "env/episode_len")
    return Tally(
        running={name: jnp.zeros(problem.num_envs) for name in names},
        finished={name: jnp.zeros(()) for name in names},
        episodes=jnp.zeros(()),
    )
