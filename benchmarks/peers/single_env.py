"""The loop that a first prototype has: one scene on the CPU, stepped and learned from in turn.

Our own physics, observation, reward and action behind a `gymnasium.Env`, trained by
Stable-Baselines3's PPO as its documentation shows it. The rate counts steps and updates alike.
"""

import dataclasses
import time
from functools import partial

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box
from stable_baselines3 import PPO

from benchmarks import record
from benchmarks.peers.sb3_ppo import network_options
from screwpush_jax import compiled
from screwpush_jax.build import find_starts, make_world
from screwpush_jax.config import Config, config_type
from screwpush_jax.env import EnvKeys, EnvStep, act, advance, init_env
from screwpush_jax.field_kinds import with_values
from screwpush_jax.restart import ON_REQUEST

STEPS = 2048
"""Environment steps of one measurement, and of one update: Stable-Baselines3's default."""
_REPEATS = 3
_NUM_STARTS = 64
"""Start states: enough for resets not to repeat themselves at once."""


def measure() -> dict[str, float]:
    """Spread of environment steps/s over whole rounds of stepping and learning."""
    config = config_type()(sim="mujoco")
    env = SingleEnv(config)
    options = network_options(config.ppo.hidden_sizes, config.ppo.init_log_std)
    algorithm = PPO("MlpPolicy", env, n_steps=STEPS, policy_kwargs=options, device="cpu", seed=0)
    algorithm.learn(STEPS)  # compiles the task's functions
    rates = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        algorithm.learn(STEPS)
        rates.append(STEPS / (time.perf_counter() - begun))
    env.close()
    return record.spread(rates)


class SingleEnv(gymnasium.Env):
    """One scene of the task; every array has a leading axis of size 1 inside."""

    def __init__(self, config: Config):
        many = {"num_envs": _NUM_STARTS, "env.bank_size": _NUM_STARTS}
        starts = find_starts(with_values(config, many))  # settled at once: no part of the loop
        world = make_world(config, 1, "train")
        self._sim, task = world.sim, world.task
        self._state = init_env(task, starts, 1)
        env = dataclasses.replace(world.env, restart=ON_REQUEST)
        self._act = compiled.jit(partial(act, env))
        self._advance = compiled.jit(partial(advance, env, starts))
        self.observation_space = Box(-np.inf, np.inf, (task.obs_sizes["policy"],), np.float32)
        self.action_space = Box(-1.0, 1.0, (task.action_size,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._state = self._state.replace(needs_reset=jnp.ones(1, bool))
        self._read()
        self._sim.write(self._now.rewritten, self._now.views)
        return self._obs(), {}

    def step(self, action):
        control, self._state = self._act(self._state, self._now, action[None])
        self._sim.step(control)
        done = self._read()
        reward, ended, cut = jax.device_get((done.reward, done.terminated, done.truncated))
        return self._obs(), float(reward[0]), bool(ended[0]), bool(cut[0]), {}

    def close(self) -> None:
        self._sim.close()

    def _read(self) -> EnvStep:
        key = jax.random.key(self.np_random.integers(2**32, dtype=np.uint32))
        keys = EnvKeys(*jax.random.split(key, 4))
        done, self._state, self._now = self._advance(self._state, self._sim.views(), keys)
        return done

    def _obs(self) -> np.ndarray:
        return np.asarray(self._now.obs["policy"])[0]
