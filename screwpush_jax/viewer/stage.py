"""The scenes themselves: a simulator and the jitted step between two of its own."""

import dataclasses
from functools import partial
from typing import Any

import jax
import numpy as np

from screwpush_jax import compiled
from screwpush_jax.build import World
from screwpush_jax.episodes import policy_names
from screwpush_jax.restart import ON_REQUEST
from screwpush_jax.tasks.task import Starts
from screwpush_jax.viewer import watch
from screwpush_jax.viewer.watch import Seen

_REPORT_EVERY = 20
"""Control steps between two looks at what the engine has to say."""


class Stage:
    """N scenes of a world, each at the beginning of an episode."""

    def __init__(self, world: World, starts: Starts, seed: int):
        self.task, self.spec = world.task, world.sim.spec
        self.policies = policy_names(world.task)
        env = dataclasses.replace(world.env, restart=ON_REQUEST)
        self._sim, self._starts = world.sim, compiled.place(starts)
        self._step = compiled.jit(partial(watch.step, env, world.algorithm))
        scenes = watch.init_scenes(
            env, world.algorithm, starts, self.spec.num_envs, jax.random.key(seed)
        )
        self._scenes, self._steps = compiled.place(scenes), 0

    def advance(self, policy: Any, name: str, restart: np.ndarray) -> Seen:
        """One control step, in which the scenes of `restart [N]` begin anew and `name` acts.

        What is seen (NumPy's arrays) is the state in which the action was chosen.

        Raises:
          SimError: the physics failed.
        """
        control, mask, views, self._scenes, seen = self._step(
            *(self._starts, policy, np.int32(self.policies.index(name)), restart.copy()),
            scenes=self._scenes,
            views=self._sim.views(),
        )
        self._sim.write(mask, views)
        self._sim.step(control)
        self._steps += 1
        if self._steps % _REPORT_EVERY == 0:
            self._sim.report()()  # an engine that failed on the way says so
        return jax.device_get(seen)
