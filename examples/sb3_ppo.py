"""Stable-Baselines3: `python examples/sb3_ppo.py` trains its PPO on many scenes at once."""

from typing import Any

from screwpush_jax.doors.batch import make_batch
from screwpush_jax.doors.extras import needs

with needs("stable-baselines3"):
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecNormalize

    from screwpush_jax.doors.stable_baselines3 import Sb3VecEnv


def main(
    task: str = "separate", num_envs: int = 256, iterations: int = 200, **fields: Any
) -> list[float]:
    """Mean returns of the newest 100 episodes, one an iteration."""
    env = VecNormalize(Sb3VecEnv(make_batch(task, num_envs=num_envs, **fields)))
    network = {"net_arch": [128, 64], "activation_fn": torch.nn.ELU, "log_std_init": -0.5}
    rollout = 32 * num_envs
    learner = PPO(
        *("MlpPolicy", env),
        **{"n_steps": 32, "batch_size": rollout // 8, "n_epochs": 4, "learning_rate": 1e-3},
        **{"gamma": 0.99, "ent_coef": 0.001, "policy_kwargs": network, "device": "cpu", "seed": 0},
    )
    means: list[float] = []
    for iteration in range(iterations):
        learner.learn(rollout, reset_num_timesteps=False)
        returns = [episode["r"] for episode in learner.ep_info_buffer or []]
        means.append(sum(returns) / max(1, len(returns)))
        print(f"iteration {iteration}: mean return {means[-1]:.2f}")
    env.close()
    return means


if __name__ == "__main__":
    main()
