"""Stable-Baselines3's PPO."""

# pyright: reportMissingImports=false

import contextlib
import copy
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from benchmarks.rivals.watch import Policy, TimeUpError, WatchedBatch
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.doors.stable_baselines3 import Sb3VecEnv

NUM_ENVS = 4096
_NETWORK = {"net_arch": {"pi": [256, 128, 64], "vf": [256, 128, 64]}}
PUBLISHED: dict[str, Any] = {
    "n_steps": 64,
    "batch_size": 192,
    "gae_lambda": 0.95,
    "gamma": 0.99,
    "n_epochs": 8,
    "ent_coef": 0.0,
    "vf_coef": 0.0001,
    "learning_rate": 3e-4,
    "clip_range": 0.2,
    "policy_kwargs": {**_NETWORK, "activation_fn": torch.nn.ELU},
    "target_kl": 0.01,
    "max_grad_norm": 1.0,
}
"""Isaac Lab's for lifting a cube with the Franka arm: isaaclab_tasks, manager_based/manipulation/lift/
config/franka/agents/sb3_ppo_cfg.yaml; it does not normalise."""


def of_ours(ppo: PPOConfig, num_envs: int) -> dict[str, Any]:
    """What SB3 has of our settings: a constant learning rate, no bounds of the noise.

    Its normaliser takes the place of ours, of observations and of returns.
    """
    sizes = list(ppo.hidden_sizes)
    return {
        "n_steps": ppo.num_steps,
        "batch_size": ppo.num_steps * num_envs // ppo.num_minibatches,
        "n_epochs": ppo.num_epochs,
        "gamma": ppo.gamma,
        "gae_lambda": ppo.gae_lambda,
        "ent_coef": ppo.ent_coef,
        "vf_coef": ppo.vf_coef,
        "learning_rate": ppo.learning_rate,
        "clip_range": ppo.clip_eps,
        "clip_range_vf": ppo.value_clip,
        "max_grad_norm": ppo.max_grad_norm,
        "policy_kwargs": {
            "net_arch": {"pi": sizes, "vf": sizes},
            "activation_fn": torch.nn.ELU,
            "log_std_init": ppo.init_log_std,
        },
    }


def train(batch: WatchedBatch, seed: int, ppo: PPOConfig | None) -> None:
    """Trains until the watch says that it is over; with its own settings where `ppo` is None."""
    env = Sb3VecEnv(batch, seed)
    env.reset()
    env.step(env._actions)  # compiles
    device = "cuda" if torch.cuda.is_available() and _on_gpu(batch) else "cpu"
    settings = PUBLISHED if ppo is None else of_ours(ppo, env.num_envs)
    normalized = None if ppo is None else VecNormalize(env, gamma=settings["gamma"])
    learner = PPO("MlpPolicy", normalized or env, seed=seed, device=device, **settings)
    template = copy.deepcopy(learner.policy)

    def snapshot() -> Policy:
        kept = copy.deepcopy(template)
        kept.load_state_dict(learner.policy.state_dict())
        kept.set_training_mode(False)
        normalize = _normalizer(normalized, device)
        return lambda obs: kept._predict(normalize(obs), deterministic=True).clamp(-1.0, 1.0)

    batch.begin(snapshot)
    with contextlib.suppress(TimeUpError):
        learner.learn(2**62)


def _normalizer(env: VecNormalize | None, device: str) -> Any:
    """As `VecNormalize` does it now, on tensors."""
    if env is None:
        return lambda obs: obs
    mean, std = (
        torch.tensor(x, dtype=torch.float32, device=device)
        for x in (env.obs_rms.mean, (env.obs_rms.var + env.epsilon) ** 0.5)
    )
    clip = env.clip_obs
    return lambda obs: ((obs - mean) / std).clamp(-clip, clip)


def _on_gpu(batch: WatchedBatch) -> bool:
    return next(iter(batch.counts.devices())).platform == "gpu"
