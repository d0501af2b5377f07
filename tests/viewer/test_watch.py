"""The pure step: what a policy remembers begins anew with each episode."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.env import Env
from screwpush_jax.restart import ON_REQUEST
from screwpush_jax.viewer import watch


class Counting:
    """An algorithm that remembers how often it acted, and never moves."""

    def init_memory(self, num_envs):
        return jnp.zeros(num_envs)

    def act_best(self, policy, memory, obs):
        del policy
        return jnp.zeros((obs["policy"].shape[0], 1)), memory + 1.0


def test_what_a_policy_remembers_begins_anew_with_each_episode(toys):
    task = toys.MarkTask(toys.MarkOptions(horizon=4))
    sim = toys.RailEngine(task.scene(), 2, toys.RailOptions())
    env = dataclasses.replace(Env(task, sim.unpack, sim.pack), restart=ON_REQUEST)
    starts, algorithm = {"place": jnp.zeros((1, 1))}, Counting()
    scenes = watch.init_scenes(env, algorithm, starts, 2, jax.random.key(0))
    asked = {3: [True, False], 7: [False, True]}
    step = jax.jit(lambda restart, scenes, views: watch.step(
        env, algorithm, starts, None, np.int32(0), restart, scenes, views
    ))  # fmt: skip
    seen = []
    for number in range(10):
        restart = np.array(asked.get(number, [False, False]))
        control, mask, views, scenes, now = step(restart, scenes, sim.views())
        sim.write(mask, views)
        sim.step(control)
        seen.append(SimpleNamespace(memory=np.array(scenes.policy_memory), now=now))
    # both act at step 0, the first anew at step 3, the second at step 7
    np.testing.assert_array_equal([s.memory[0] for s in seen], [1, 2, 3, 1, 2, 3, 4, 5, 6, 7])
    np.testing.assert_array_equal([s.memory[1] for s in seen], [1, 2, 3, 4, 5, 6, 7, 1, 2, 3])
    ends = np.array([s.now.ended for s in seen])
    np.testing.assert_array_equal(np.flatnonzero(ends[:, 0]), [7])  # four steps after its restart
    np.testing.assert_array_equal(np.flatnonzero(ends[:, 1]), [4])
