"""Gymnasium: `python examples/gymnasium_vec.py` steps many scenes under random actions."""

from typing import Any

import numpy as np

import screwpush_jax.doors  # noqa: F401  it makes the ids known
from screwpush_jax.doors.extras import needs

with needs("gymnasium"):
    import gymnasium


def main(
    env_id: str = "ScrewPush/Separate-v0", num_envs: int = 64, steps: int = 600, **fields: Any
) -> list[float]:
    """Returns of the episodes that ended; `fields` are the environment's, such as sim="mujoco"."""
    envs = gymnasium.make_vec(env_id, num_envs=num_envs, **fields)
    print(f"{envs}: {envs.single_observation_space.shape} to {envs.single_action_space.shape}")
    envs.action_space.seed(0)
    envs.reset(seed=0)
    returns: list[float] = []
    for _ in range(steps):
        *_, infos = envs.step(envs.action_space.sample())
        if "final_info" in infos:  # what ended has been started anew in the same step
            returns += infos["final_info"]["return"][infos["_final_info"]].tolist()
    envs.close()
    print(f"{len(returns)} episodes ended, mean return {np.mean(returns):.2f}")
    return returns


if __name__ == "__main__":
    main()
