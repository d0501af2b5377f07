"""Ours: the loop of `screwpush_jax.training`, with a watch in the place of its recorder."""

import contextlib
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import jax
import jax.numpy as jnp

from benchmarks.rivals.judge import Verdict, judge
from benchmarks.rivals.watch import Policy, Watch
from screwpush_jax import compiled
from screwpush_jax.build import World, find_starts, init_arrays, make_world
from screwpush_jax.checkpoint import RunState
from screwpush_jax.config import Config
from screwpush_jax.doors.settings import place
from screwpush_jax.recorder import Recorder
from screwpush_jax.training import train as train_ours
from screwpush_jax.transition import EPISODES


def train(config: Config, watch: Watch) -> tuple[list[Verdict], Verdict]:
    """Trains, and judges the policies that were kept."""
    config = place(config)
    starts = find_starts(config)
    world = make_world(config, config.num_envs, "train")
    try:
        init = compiled.jit(lambda starts, key: init_arrays(config, world, starts, key))
        arrays = init(starts, jax.random.key(config.seed))
        learner, carry, starts = compiled.place((*arrays, starts))
        state = RunState(learner, carry, starts, world.sim.snapshot())
        recorder = _Recorder(config, world, learner.policy, watch)
        train_ours(config, world, state, cast(Recorder, recorder))
    finally:
        world.sim.close()
    policies = [policy for _, policy in watch.policies]
    return judge(config, lambda batch: batch, jnp.concatenate, policies)


class _Recorder:
    """The part of a `Recorder` that the loop calls."""

    stopper = SimpleNamespace(nothing_to_save=contextlib.nullcontext, requested=False)
    films = SimpleNamespace(prepare=lambda *_: None, see=lambda *_: None)
    stops_here = False

    def __init__(self, config: Config, world: World, policy: Any, watch: Watch):
        self._config, self._watch, self._algorithm = config, watch, world.algorithm
        self._score = f"env/{world.task.score}"
        self._act = compiled.jit(lambda policy, obs: self._algorithm.act_best(policy, (), obs)[0])
        self._copy = compiled.jit(partial(jax.tree.map, jnp.copy))  # an update reuses its memory
        self._copy(policy)  # compiles
        self._pending: Any = None
        self._iterations = self._episodes = self._successes = 0

    def start_clock(self) -> None:
        self._watch.begin()

    def should_continue(self) -> bool:
        return not self._watch.is_over

    def iteration(self, metrics: dict[str, jax.Array], report: Any, learner: Any) -> None:
        """Reads the iteration before, as the recorder does, so that the device need not wait."""
        before, self._pending = self._pending, (metrics, report)
        if before is not None:
            self._read(*before)

    def checkpoint_due(self) -> bool:
        return self._watch.keep_due()

    def save(self, state: RunState) -> None:
        if self._watch.is_over and self._pending is not None:
            self._read(*self._pending)
            self._pending = None
        self._watch.keep(self._best_action(self._copy(state.learner.policy)))

    def _best_action(self, policy: Any) -> Policy:
        return lambda obs: self._act(policy, {"policy": obs})

    def _read(self, metrics: dict[str, jax.Array], report: Any) -> None:
        episodes, mean = jax.device_get((metrics[EPISODES], metrics[self._score]))
        report()
        self._iterations += 1
        self._episodes += round(float(episodes))
        self._successes += round(float(episodes) * float(mean))
        steps = self._iterations * self._config.batch_size
        self._watch.note(steps, self._episodes, self._successes)
