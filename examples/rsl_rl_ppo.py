"""rsl_rl: `python examples/rsl_rl_ppo.py` trains its PPO; tensors stay on the device, without a copy."""

from typing import Any

from screwpush_jax.doors.batch import make_batch
from screwpush_jax.doors.extras import needs

with needs("rsl-rl"):
    from rsl_rl.runners import OnPolicyRunner

    from screwpush_jax.doors.rsl_rl import RslRlVecEnv

NETWORK = {
    **{"class_name": "MLPModel", "hidden_dims": [256, 128, 64], "activation": "elu"},
    "obs_normalization": True,
}
GAUSSIAN = {"class_name": "GaussianDistribution", "init_std": 0.6, "std_type": "log"}
ALGORITHM = {
    **{"class_name": "PPO", "learning_rate": 1e-3, "schedule": "adaptive", "desired_kl": 0.01},
    **{"num_learning_epochs": 4, "num_mini_batches": 8, "gamma": 0.99, "entropy_coef": 0.003},
}


def main(
    task: str = "separate",
    num_envs: int = 1024,
    iterations: int = 200,
    log_dir: str = "runs/rsl_rl",
    **fields: Any,
) -> float:
    """Mean return of the newest 100 episodes; TensorBoard's files lie in `log_dir`."""
    env = RslRlVecEnv(make_batch(task, num_envs=num_envs, **fields))
    settings = {
        **{"num_steps_per_env": 24, "save_interval": 100, "algorithm": ALGORITHM},
        **{"actor": {**NETWORK, "distribution_cfg": GAUSSIAN}, "critic": NETWORK},
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
    }
    runner = OnPolicyRunner(env, settings, log_dir, device=str(env.device))
    runner.learn(iterations)
    env.close()
    return sum(runner.logger.rewbuffer) / len(runner.logger.rewbuffer)


if __name__ == "__main__":
    main()
