"""skrl's PPO for torch and its sequential trainer."""

# pyright: reportMissingImports=false

import contextlib
import copy
from typing import Any

import torch
from skrl.agents.torch.ppo import PPO, PPO_CFG
from skrl.memories.torch import RandomMemory
from skrl.models.torch import Model
from skrl.resources.preprocessors.torch import RunningStandardScaler
from skrl.resources.schedulers.torch import KLAdaptiveLR
from skrl.trainers.torch import SequentialTrainer
from skrl.utils.model_instantiators.torch import (
    deterministic_model,
    gaussian_model,
    shared_model,
)

from benchmarks.rivals.watch import Policy, TimeUpError, WatchedBatch
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.doors.skrl import SkrlEnv

NUM_ENVS = 4096
PUBLISHED: dict[str, Any] = {
    "rollouts": 24,
    "learning_epochs": 8,
    "mini_batches": 4,
    "discount_factor": 0.99,
    "gae_lambda": 0.95,
    "learning_rate": 1e-4,
    "learning_rate_scheduler": KLAdaptiveLR,
    "learning_rate_scheduler_kwargs": {"kl_threshold": 0.01},
    "grad_norm_clip": 1.0,
    "ratio_clip": 0.2,
    "value_clip": 0.2,
    "entropy_loss_scale": 0.001,
    "value_loss_scale": 2.0,
    "rewards_shaper": lambda reward, *_: 0.01 * reward,
    "time_limit_bootstrap": False,
}
"""Isaac Lab's for lifting a cube with the Franka arm: isaaclab_tasks, manager_based/manipulation/lift/
config/franka/agents/skrl_ppo_cfg.yaml; actor and critic share their layers."""


def of_ours(ppo: PPOConfig) -> dict[str, Any]:
    """What skrl has of our settings: all but the bounds of the noise."""
    low, high = ppo.learning_rate_range
    adaptive = {"kl_threshold": ppo.target_kl, "min_lr": low, "max_lr": high}
    return {
        "rollouts": ppo.num_steps,
        "learning_epochs": ppo.num_epochs,
        "mini_batches": ppo.num_minibatches,
        "discount_factor": ppo.gamma,
        "gae_lambda": ppo.gae_lambda,
        "learning_rate": ppo.learning_rate,
        "learning_rate_scheduler": KLAdaptiveLR if ppo.schedule == "adaptive" else None,
        "learning_rate_scheduler_kwargs": adaptive if ppo.schedule == "adaptive" else {},
        "grad_norm_clip": ppo.max_grad_norm,
        "ratio_clip": ppo.clip_eps,
        "value_clip": ppo.value_clip,
        "entropy_loss_scale": ppo.ent_coef,
        "value_loss_scale": ppo.vf_coef,
        "time_limit_bootstrap": True,
    }


def train(batch: WatchedBatch, seed: int, ppo: PPOConfig | None) -> None:
    """Trains until the watch says that it is over; with its own settings where `ppo` is None."""
    torch.manual_seed(seed)
    env = SkrlEnv(batch, seed, log=False)
    env.reset()
    env.step(torch.zeros(env.num_envs, batch.task.action_size, device=env.device))  # compiles
    agent = _agent(env, ppo)
    timesteps = 10**9
    trainer = SequentialTrainer(
        env=env,
        agents=agent,
        cfg={
            "timesteps": timesteps,
            "headless": True,
            "disable_progressbar": True,
            "close_environment_at_exit": False,
        },
    )
    templates = copy.deepcopy((agent.policy, agent._observation_preprocessor))

    def snapshot() -> Policy:
        policy, scaler = copy.deepcopy(templates)
        policy.load_state_dict(agent.policy.state_dict())
        scaler.load_state_dict(agent._observation_preprocessor.state_dict())
        policy.enable_training_mode(False)
        return lambda obs: policy.act({"observations": scaler(obs)}, role="policy")[1][
            "mean_actions"
        ]

    batch.begin(snapshot)
    with contextlib.suppress(TimeUpError):
        trainer.train()


def _agent(env: SkrlEnv, ppo: PPOConfig | None) -> PPO:
    settings = PUBLISHED if ppo is None else of_ours(ppo)
    scaler = {"size": env.observation_space, "device": env.device}
    config = PPO_CFG(
        **settings,
        observation_preprocessor=RunningStandardScaler,
        observation_preprocessor_kwargs=scaler,
        value_preprocessor=RunningStandardScaler,
        value_preprocessor_kwargs={"size": 1, "device": env.device},
        experiment={"write_interval": 0, "checkpoint_interval": 0},
    )
    spaces = {
        "observation_space": env.observation_space,
        "action_space": env.action_space,
        "device": env.device,
    }
    return PPO(
        models=_shared(spaces) if ppo is None else _separate(spaces, ppo),
        memory=RandomMemory(
            memory_size=settings["rollouts"], num_envs=env.num_envs, device=env.device
        ),
        cfg=config,
        **spaces,
    )


def _layers(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    return [
        {"name": "net", "input": "OBSERVATIONS", "layers": list(sizes), "activations": "elu"}
    ]  # fmt: skip


def _shared(spaces: dict[str, Any]) -> dict[str, Model]:
    network = _layers((256, 128, 64))
    policy = {"initial_log_std": 0.0, "network": network, "output": "ACTIONS"}
    value = {"network": network, "output": "ONE"}
    model = shared_model(**spaces, roles=["policy", "value"], parameters=[policy, value])
    return {"policy": model, "value": model}


def _separate(spaces: dict[str, Any], ppo: PPOConfig) -> dict[str, Model]:
    network = _layers(ppo.hidden_sizes)
    return {
        "policy": gaussian_model(
            **spaces, initial_log_std=ppo.init_log_std, network=network, output="ACTIONS"
        ),
        "value": deterministic_model(**spaces, network=network, output="ONE"),
    }
