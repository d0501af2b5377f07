"""skrl: `python examples/skrl_ppo.py` trains its PPO for torch; tensors stay on the device."""

from typing import Any

from screwpush_jax.doors.batch import make_batch
from screwpush_jax.doors.extras import needs

with needs("skrl"):
    from skrl.agents.torch.ppo import PPO, PPO_CFG
    from skrl.memories.torch import RandomMemory
    from skrl.resources.preprocessors.torch import RunningStandardScaler
    from skrl.resources.schedulers.torch import KLAdaptiveLR
    from skrl.trainers.torch import SequentialTrainer
    from skrl.utils.model_instantiators.torch import deterministic_model, gaussian_model

    from screwpush_jax.doors.skrl import SkrlEnv


def main(task: str = "separate", num_envs: int = 1024, iterations: int = 200, **fields: Any) -> PPO:
    """The trained agent; TensorBoard's files lie in runs/skrl."""
    env = SkrlEnv(make_batch(task, num_envs=num_envs, **fields))
    place = {"observation_space": env.observation_space, "action_space": env.action_space}
    place["device"] = env.device
    layers = {"name": "net", "input": "OBSERVATIONS", "layers": [256, 128, 64]}
    network = [{**layers, "activations": "elu"}]
    settings = PPO_CFG(
        **{"rollouts": 24, "learning_epochs": 4, "mini_batches": 8, "time_limit_bootstrap": True},
        **{"learning_rate": 1e-3, "learning_rate_scheduler": KLAdaptiveLR},
        observation_preprocessor=RunningStandardScaler,
        observation_preprocessor_kwargs={"size": env.observation_space, "device": env.device},
        value_preprocessor=RunningStandardScaler,
        value_preprocessor_kwargs={"size": 1, "device": env.device},
        experiment={"directory": "runs/skrl", "write_interval": 240, "checkpoint_interval": 0},
    )
    policy = gaussian_model(**place, initial_log_std=-0.5, network=network, output="ACTIONS")
    value = deterministic_model(**place, network=network, output="ONE")
    memory = RandomMemory(memory_size=24, num_envs=num_envs, device=env.device)
    models = {"policy": policy, "value": value}
    agent = PPO(models=models, memory=memory, cfg=settings, **place)
    training = {"timesteps": 24 * iterations, "headless": True, "close_environment_at_exit": False}
    SequentialTrainer(env=env, agents=agent, cfg=training).train()
    env.close()
    return agent


if __name__ == "__main__":
    main()
