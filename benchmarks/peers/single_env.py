"""The loop that a first prototype has: one scene on the CPU, stepped and learned from in turn.

Our own physics, observation, reward and action behind a `gymnasium.Env`, trained by
Stable-Baselines3's PPO as its documentation shows it. The rate counts steps and updates alike.
"""

import time

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box
from stable_baselines3 import PPO

from benchmarks import record
from benchmarks.peers.sb3_ppo import network_options
from screwpush_jax import compiled
from screwpush_jax.config import Config
from screwpush_jax.setup import make_world
from screwpush_jax.tasks.task import Bank
from sim.protocol import Views

STEPS = 2048
"""Environment steps of one measurement, and of one update: Stable-Baselines3's default."""
_REPEATS = 3
_BANK_SIZE = 64
"""Start states: enough for resets not to repeat themselves at once."""


def measure() -> dict[str, float]:
    """Spread of environment steps/s over whole rounds of stepping and learning."""
    config = Config(sim="mujoco")
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
        self._bank = _build_bank(config)
        self._sim, self._task, _ = make_world(config, 1)
        self._begin = compiled.jit_once(self._begin_pure)
        self._act = compiled.jit_once(self._task.act)
        self._judge = compiled.jit_once(self._judge_pure)
        self.observation_space = Box(-np.inf, np.inf, (self._task.obs_size,), np.float32)
        self.action_space = Box(-1.0, 1.0, (self._task.action_size,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        rows = self.np_random.integers(_BANK_SIZE, size=(2, 1), dtype=np.int32)
        self._scene, self._episode, views, obs = self._begin(self._bank, *rows)
        self._sim.write(jnp.ones(1, bool), views)
        return np.asarray(obs)[0], {}

    def step(self, action):
        episode = self._act(self._episode, self._scene, action[None])
        self._sim.step(episode.joint_targets)
        self._scene, self._episode, verdict, obs = self._judge(episode, self._sim.views())
        reward, ended, cut = jax.device_get((verdict.reward, verdict.terminated, verdict.truncated))
        return np.asarray(obs)[0], float(reward[0]), bool(ended[0]), bool(cut[0]), {}

    def close(self) -> None:
        self._sim.close()

    def _begin_pure(self, bank: Bank, jumble: jax.Array, start: jax.Array):
        scene, episode = self._task.begin(bank, jumble, start)
        return scene, episode, self._sim.pack(scene.state), self._task.observe(episode, scene)

    def _judge_pure(self, episode, views: Views):
        state = self._sim.unpack(views)
        invalid = self._task.is_invalid(state)
        scene = self._task.look(episode, state)
        verdict, episode = self._task.judge(episode, scene, invalid)
        return scene, episode, verdict, self._task.observe(episode, scene)


def _build_bank(config: Config) -> Bank:
    """Start states, settled in many scenes at once because that is no part of the loop."""
    sim, task, _ = make_world(config, _BANK_SIZE)
    bank = task.build_bank(sim, _BANK_SIZE, config.seed, compiled.jit_once)
    sim.close()
    return bank
