"""rsl_rl's runner and PPO, as its users start them."""

# pyright: reportMissingImports=false

import contextlib
import copy
import math
from typing import Any

import torch
from rsl_rl.runners import OnPolicyRunner
from tensordict import TensorDict

from benchmarks.rivals.watch import Policy, TimeUpError, WatchedBatch
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.doors.rsl_rl import RslRlVecEnv

NUM_ENVS = 4096
_NETWORK = {"class_name": "MLPModel", "hidden_dims": [256, 128, 64], "activation": "elu"}
PUBLISHED: dict[str, Any] = {
    "num_steps_per_env": 24,
    "actor": {
        **_NETWORK,
        "obs_normalization": False,
        "distribution_cfg": {"class_name": "GaussianDistribution", "init_std": 1.0},
    },
    "critic": {**_NETWORK, "obs_normalization": False},
    "algorithm": {
        "class_name": "PPO",
        "value_loss_coef": 1.0,
        "use_clipped_value_loss": True,
        "clip_param": 0.2,
        "entropy_coef": 0.006,
        "num_learning_epochs": 5,
        "num_mini_batches": 4,
        "learning_rate": 1e-4,
        "schedule": "adaptive",
        "gamma": 0.98,
        "lam": 0.95,
        "desired_kl": 0.01,
        "max_grad_norm": 1.0,
    },
}
"""Isaac Lab's for lifting a cube with the Franka arm: isaaclab_tasks, manager_based/manipulation/lift/
config/franka/agents/rsl_rl_ppo_cfg.py, `LiftCubePPORunnerCfg`."""


def of_ours(ppo: PPOConfig) -> dict[str, Any]:
    """What rsl_rl has of our settings: all but the normalised values and the bounds of the noise."""
    network = {
        "class_name": "MLPModel",
        "hidden_dims": list(ppo.hidden_sizes),
        "activation": "elu",
        "obs_normalization": True,
    }
    gaussian = {
        "class_name": "GaussianDistribution",
        "init_std": math.exp(ppo.init_log_std),
        "std_type": "log",
    }
    return {
        "num_steps_per_env": ppo.num_steps,
        "actor": {**network, "distribution_cfg": gaussian},
        "critic": network,
        "algorithm": {
            "class_name": "PPO",
            "value_loss_coef": ppo.vf_coef,
            "clip_param": ppo.clip_eps,
            "entropy_coef": ppo.ent_coef,
            "num_learning_epochs": ppo.num_epochs,
            "num_mini_batches": ppo.num_minibatches,
            "learning_rate": ppo.learning_rate,
            "schedule": "adaptive" if ppo.schedule == "adaptive" else "fixed",
            "gamma": ppo.gamma,
            "lam": ppo.gae_lambda,
            "desired_kl": ppo.target_kl,
            "max_grad_norm": ppo.max_grad_norm,
        },
    }


def train(batch: WatchedBatch, seed: int, ppo: PPOConfig | None) -> None:
    """Trains until the watch says that it is over; with its own settings where `ppo` is None."""
    torch.manual_seed(seed)
    env = RslRlVecEnv(batch, seed, log=False)
    env.step(torch.zeros(env.num_envs, env.num_actions, device=env.device))  # compiles
    settings = copy.deepcopy(PUBLISHED) if ppo is None else of_ours(ppo)
    settings |= {
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        "save_interval": 10**9,
    }
    runner = OnPolicyRunner(env, settings, log_dir=None, device=str(env.device))
    template = copy.deepcopy(runner.alg.actor)

    def snapshot() -> Policy:
        kept = copy.deepcopy(template)
        kept.load_state_dict(runner.alg.actor.state_dict())
        kept.eval()
        return lambda obs: kept(TensorDict({"policy": obs}, [len(obs)], device=obs.device))

    batch.begin(snapshot)
    with contextlib.suppress(TimeUpError):
        runner.learn(10**9)
