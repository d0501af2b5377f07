"""skrl's JAX PPO: jitted pieces, called from a Python loop over minibatches."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box
from skrl.agents.jax.ppo import PPO, PPO_CFG
from skrl.memories.jax import RandomMemory
from skrl.models.jax import DeterministicMixin, GaussianMixin, Model
from skrl.resources.preprocessors.jax import RunningStandardScaler
from skrl.resources.schedulers.jax import KLAdaptiveLR

from benchmarks.peers.problem import Data, Peer, Problem


class _Actor(GaussianMixin, Model):
    """Gaussian with a standard deviation that does not depend on the observation."""

    hidden_sizes: tuple[int, ...] = ()
    init_log_std: float = 0.0

    def __init__(self, hidden_sizes, init_log_std, **spaces):
        Model.__init__(self, **spaces)
        self.hidden_sizes, self.init_log_std = hidden_sizes, init_log_std
        GaussianMixin.__init__(self)

    @nn.compact
    def __call__(self, inputs, role=""):
        init = nn.initializers.constant(self.init_log_std)
        log_std = self.param("log_std", init, (self.num_actions,))
        return _mlp(inputs["observations"], self.hidden_sizes, self.num_actions), {
            "log_std": log_std
        }


class _Critic(DeterministicMixin, Model):
    hidden_sizes: tuple[int, ...] = ()

    def __init__(self, hidden_sizes, **spaces):
        Model.__init__(self, **spaces)
        self.hidden_sizes = hidden_sizes
        DeterministicMixin.__init__(self)

    @nn.compact
    def __call__(self, inputs, role=""):
        return _mlp(inputs["observations"], self.hidden_sizes, 1), {}


def _mlp(x: jax.Array, hidden_sizes: tuple[int, ...], output_size: int) -> jax.Array:
    for size in hidden_sizes:
        x = nn.elu(nn.Dense(size)(x))
    return nn.Dense(output_size)(x)


def make(problem: Problem, data: Data) -> Peer:
    agent = _agent(problem)
    rows = {name: jnp.asarray(x) for name, x in data._asdict().items()}
    agent._current_next_observations = rows["next_obs"]

    def prepare() -> None:
        agent.memory.reset()
        for t in range(problem.num_steps):
            agent.memory.add_samples(
                observations=rows["obs"][t],
                actions=rows["action"][t],
                **{name: rows[name][t][:, None] for name in ("log_prob", "terminated")},
                truncated=rows["truncated"][t][:, None],
                rewards=rows["reward"][t][:, None],
                values=rows["value"][t][:, None],
            )
        jax.block_until_ready(agent.memory.tensors)

    def update() -> None:
        agent.update(timestep=0, timesteps=1)
        jax.block_until_ready((agent.policy.state_dict.params, agent.value.state_dict.params))

    def steps() -> int:
        """Of the actor; the critic has an optimiser of its own and takes as many."""
        actor, critic = (
            int(optimizer.state[1].count)
            for optimizer in (agent.policy_optimizer, agent.value_optimizer)
        )
        return min(actor, critic)

    return Peer(prepare, update, steps)


def _agent(problem: Problem) -> PPO:
    ppo = problem.ppo
    spaces = {
        "observation_space": Box(-np.inf, np.inf, (problem.obs_size,), np.float32),
        "action_space": Box(-1.0, 1.0, (problem.action_size,), np.float32),
    }
    models = {
        "policy": _Actor(ppo.hidden_sizes, ppo.init_log_std, **spaces),
        "value": _Critic(ppo.hidden_sizes, **spaces),
    }
    inputs = {"observations": jnp.zeros((1, problem.obs_size))}
    for role, model in models.items():
        model.init_state_dict(inputs, role=role)
    memory = RandomMemory(memory_size=problem.num_steps, num_envs=problem.num_envs)
    agent = PPO(models=models, memory=memory, cfg=_config(problem), **spaces)
    agent.init()
    agent.enable_models_training_mode(True)
    return agent


def _config(problem: Problem) -> PPO_CFG:
    ppo = problem.ppo
    return PPO_CFG(
        rollouts=problem.num_steps,
        learning_epochs=ppo.num_epochs,
        mini_batches=ppo.num_minibatches,
        discount_factor=ppo.gamma,
        gae_lambda=ppo.gae_lambda,
        learning_rate=ppo.learning_rate,
        learning_rate_scheduler=KLAdaptiveLR,
        learning_rate_scheduler_kwargs={"kl_threshold": ppo.target_kl},
        observation_preprocessor=RunningStandardScaler,
        observation_preprocessor_kwargs={"size": problem.obs_size},
        value_preprocessor=RunningStandardScaler,
        value_preprocessor_kwargs={"size": 1},
        grad_norm_clip=ppo.max_grad_norm,
        ratio_clip=ppo.clip_eps,
        value_clip=ppo.value_clip,
        entropy_loss_scale=ppo.ent_coef,
        value_loss_scale=ppo.vf_coef,
        experiment={"write_interval": 0, "checkpoint_interval": 0},
    )
