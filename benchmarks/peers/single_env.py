"""The loop that a first prototype has: one scene on the CPU, stepped and learned from in turn.

Our own physics, observation, reward and action behind a `gymnasium.Env`, trained by
Stable-Baselines3's PPO as its documentation shows it. The rate counts steps and updates alike.
"""

import time

from stable_baselines3 import PPO

from benchmarks import record
from benchmarks.peers.sb3_ppo import network_options
from screwpush_jax.config import config_type
from screwpush_jax.doors.gym import TaskEnv

STEPS = 2048
"""Environment steps of one measurement, and of one update: Stable-Baselines3's default."""
_REPEATS = 3
_NUM_STARTS = 64
"""Start states: enough for resets not to repeat themselves at once."""


def measure() -> dict[str, float]:
    """Spread of environment steps/s over whole rounds of stepping and learning."""
    config = config_type()()
    env = TaskEnv(config.task, sim="mujoco", env={"bank_size": _NUM_STARTS})
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
