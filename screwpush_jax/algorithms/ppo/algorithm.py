"""PPO as `screwpush_jax.algorithms.algorithm.Algorithm`."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

import jax

from screwpush_jax.algorithms.algorithm import Decision
from screwpush_jax.algorithms.common.acting import best_action, choose_action, predict_value
from screwpush_jax.algorithms.common.networks import ActorCritic, make_network
from screwpush_jax.algorithms.common.sets import Sets, describe_normalizers, split
from screwpush_jax.algorithms.common.types import (
    Learner,
    Metrics,
    Obs,
    Policy,
    Progress,
    Records,
    Rollout,
)
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.algorithms.ppo.update import init_learner, update


@final
@dataclasses.dataclass(frozen=True)
class PPO:
    """Records of a step: `log_prob`, `value` and `next_value`, that of its true final observation."""

    config: PPOConfig
    obs_sizes: Mapping[str, int]
    """Of `policy` and, where the critic has its own, `critic`."""
    action_size: int
    obs_sets: Sets = dataclasses.field(default_factory=dict)
    """Of those that have one."""

    def __post_init__(self) -> None:
        if set(self.obs_sizes) not in ({"policy"}, {"policy", "critic"}):
            raise ValueError(
                f"observations {sorted(self.obs_sizes)}; valid: policy, or policy and critic"
            )

    @property
    def num_steps(self) -> int:
        return self.config.num_steps

    @property
    def group_size(self) -> int:
        return self.config.group_size

    def init(self, key: jax.Array) -> Learner[Policy]:
        return init_learner(self.config, self.obs_sizes, self.action_size, key, self.obs_sets)

    def init_memory(self, num_envs: int) -> tuple[()]:
        del num_envs
        return ()

    def act(self, policy: Policy, memory: Any, obs: Obs, key: jax.Array) -> Decision:
        obs = split(self.obs_sets, obs)
        action, log_prob = choose_action(self._network, policy, obs, key)
        value = predict_value(self._network, policy, obs)
        return Decision(action, {"log_prob": log_prob, "value": value}, memory)

    def act_best(self, policy: Policy, memory: Any, obs: Obs) -> tuple[jax.Array, Any]:
        return best_action(self._network, policy, split(self.obs_sets, obs)), memory

    def describe(self, policy: Policy) -> dict[str, Any]:
        return describe_normalizers(policy.obs_moments)

    def after(self, policy: Policy, memory: Any, obs: Obs, progress: Progress) -> Records:
        del memory, progress
        return {"next_value": predict_value(self._network, policy, split(self.obs_sets, obs))}

    def update(
        self, num_iterations: int, learner: Learner[Policy], rollout: Rollout
    ) -> tuple[Learner[Policy], Metrics]:
        rollout = dataclasses.replace(rollout, obs=split(self.obs_sets, rollout.obs))
        return update(self.config, num_iterations, learner, rollout)

    @property
    def _network(self) -> ActorCritic:
        return make_network(self.config, self.action_size)
