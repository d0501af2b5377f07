"""RLlib: `python examples/rllib_ppo.py` trains its PPO; it takes Gymnasium's door as it is."""

from typing import Any

import screwpush_jax.doors  # noqa: F401  it makes the ids known
from screwpush_jax.doors.extras import needs

with needs("rllib"):
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig


def main(
    env_id: str = "ScrewPush/Separate-v0", num_envs: int = 64, iterations: int = 100, **fields: Any
) -> list[float]:
    """Mean return of each iteration's episodes."""
    rollout = 32 * num_envs
    config = (
        PPOConfig()
        # RLlib's runner expects what ended to start anew in the next step
        .environment(env_id, env_config={"autoreset_mode": "NextStep", **fields})
        .env_runners(
            num_env_runners=0,  # one simulator, in this process
            num_envs_per_env_runner=num_envs,
            gym_env_vectorize_mode="vector_entry_point",
        )
        .learners(num_learners=0)
        .training(
            **{"train_batch_size_per_learner": rollout, "minibatch_size": rollout // 8},
            **{"num_epochs": 4, "lr": 1e-3, "gamma": 0.99, "lambda_": 0.95, "vf_clip_param": 1e3},
        )
    )
    learner = config.build_algo()
    means: list[float] = []
    for iteration in range(iterations):
        means.append(learner.train()["env_runners"]["episode_return_mean"])
        print(f"iteration {iteration}: mean return {means[-1]:.2f}")
    learner.stop()
    ray.shutdown()
    return means


if __name__ == "__main__":
    main()
