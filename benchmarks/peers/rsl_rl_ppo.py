"""rsl_rl's PPO: eager PyTorch, everything on the device."""

import math

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict

from benchmarks.peers.problem import Data, Peer, Problem


def wait(device: str) -> None:
    """Until the device has done what it was told to."""
    if device == "cuda":
        torch.cuda.synchronize()


def make(problem: Problem, data: Data) -> Peer:
    device = problem.torch_device
    tensors = {name: torch.from_numpy(x).to(device) for name, x in data._asdict().items()}
    next_obs = TensorDict({"policy": tensors["next_obs"]}, [problem.num_envs], device=device)
    algorithm = _algorithm(problem, next_obs)

    def prepare() -> None:
        _fill(problem, algorithm.storage, tensors)
        wait(device)

    def update() -> None:
        algorithm.compute_returns(next_obs)
        algorithm.update()
        wait(device)

    def steps() -> int:
        states = list(algorithm.optimizer.state.values())
        return int(states[0]["step"]) if states else 0

    return Peer(prepare, update, steps)


def _algorithm(problem: Problem, obs: TensorDict) -> PPO:
    ppo, device, groups = problem.ppo, problem.torch_device, {"actor": ["policy"]}
    groups["critic"] = groups["actor"]
    gaussian = {
        "class_name": "GaussianDistribution",
        "init_std": math.exp(ppo.init_log_std),
        "std_type": "log",
    }
    same = {"hidden_dims": ppo.hidden_sizes, "activation": "elu", "obs_normalization": True}
    actor = MLPModel(
        obs, groups, "actor", problem.action_size, distribution_cfg=gaussian, **same
    ).to(device)
    critic = MLPModel(obs, groups, "critic", 1, **same).to(device)
    storage = RolloutStorage(
        "rl", problem.num_envs, problem.num_steps, obs, [problem.action_size], device
    )
    return PPO(
        actor,
        critic,
        storage,
        num_learning_epochs=ppo.num_epochs,
        num_mini_batches=ppo.num_minibatches,
        clip_param=ppo.clip_eps,
        gamma=ppo.gamma,
        lam=ppo.gae_lambda,
        value_loss_coef=ppo.vf_coef,
        entropy_coef=ppo.ent_coef,
        learning_rate=ppo.learning_rate,
        max_grad_norm=ppo.max_grad_norm,
        schedule="adaptive",
        desired_kl=ppo.target_kl,
        device=device,
    )


def _fill(problem: Problem, storage: RolloutStorage, tensors: dict[str, torch.Tensor]) -> None:
    """T transitions into the storage, the way that `act` and `process_env_step` would."""
    storage.clear()
    std = torch.full_like(tensors["action"][0], math.exp(problem.ppo.init_log_std))
    for t in range(problem.num_steps):
        step = RolloutStorage.Transition()
        obs = tensors["obs"][t]
        step.observations = TensorDict({"policy": obs}, [len(obs)], device=obs.device)
        step.actions = tensors["action"][t]
        step.rewards = tensors["reward"][t]
        step.dones = tensors["terminated"][t] | tensors["truncated"][t]
        step.values = tensors["value"][t][:, None]
        step.actions_log_prob = tensors["log_prob"][t]
        step.distribution_params = (torch.zeros_like(std), std)
        storage.add_transition(step)
