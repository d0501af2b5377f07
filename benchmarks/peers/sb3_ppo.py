"""Stable-Baselines3's PPO: PyTorch learner, rollout buffer in NumPy on the host."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.peers.problem import Data, Peer, Problem


def network_options(hidden_sizes: tuple[int, ...], init_log_std: float) -> dict[str, Any]:
    """Separate actor and critic with ELU."""
    sizes = list(hidden_sizes)
    return {
        "net_arch": {"pi": sizes, "vf": sizes},
        "activation_fn": torch.nn.ELU,
        "log_std_init": init_log_std,
    }


def make(problem: Problem, data: Data) -> Peer:
    algorithm = _algorithm(problem)
    algorithm.set_logger(Logger(None, []))
    buffer, device = algorithm.rollout_buffer, problem.torch_device
    value, log_prob = (torch.from_numpy(x).to(device) for x in (data.value, data.log_prob))
    done = data.terminated | data.truncated
    started = np.concatenate([np.zeros_like(done[:1]), done[:-1]])

    def prepare() -> None:
        buffer.reset()
        for t in range(problem.num_steps):
            buffer.add(
                data.obs[t], data.action[t], data.reward[t], started[t], value[t], log_prob[t]
            )

    last_value = torch.from_numpy(data.next_value[-1]).to(device)

    def update() -> None:
        buffer.compute_returns_and_advantage(last_value, done[-1])
        algorithm.train()
        if device == "cuda":
            torch.cuda.synchronize(device)

    def steps() -> int:
        states = list(algorithm.policy.optimizer.state.values())
        return int(states[0]["step"]) if states else 0

    return Peer(prepare, update, steps)


def _algorithm(problem: Problem) -> PPO:
    ppo = problem.ppo
    return PPO(
        "MlpPolicy",
        _Sizes(problem),
        learning_rate=ppo.learning_rate,
        n_steps=problem.num_steps,
        batch_size=problem.minibatch_size,
        n_epochs=ppo.num_epochs,
        gamma=ppo.gamma,
        gae_lambda=ppo.gae_lambda,
        clip_range=ppo.clip_eps,
        clip_range_vf=ppo.value_clip,
        ent_coef=ppo.ent_coef,
        vf_coef=ppo.vf_coef,
        max_grad_norm=ppo.max_grad_norm,
        policy_kwargs=network_options(ppo.hidden_sizes, ppo.init_log_std),
        device=problem.torch_device,
    )


class _Sizes(VecEnv):
    """N environments that are only counted: nothing steps them."""

    def __init__(self, problem: Problem):
        obs = spaces.Box(-np.inf, np.inf, (problem.obs_size,), np.float32)
        action = spaces.Box(-1.0, 1.0, (problem.action_size,), np.float32)
        super().__init__(problem.num_envs, obs, action)

    def get_attr(self, attr_name, indices=None):
        return [None] * self.num_envs

    def reset(self):
        raise NotImplementedError

    step_async = step_wait = close = set_attr = env_method = env_is_wrapped = reset
