"""GRPO as `screwpush_jax.algorithms.algorithm.Algorithm`."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

import jax

from screwpush_jax.algorithms.algorithm import Decision
from screwpush_jax.algorithms.common.acting import best_action, choose_action
from screwpush_jax.algorithms.common.networks import ActorCritic, make_network
from screwpush_jax.algorithms.common.sets import Sets, describe_normalizers, split
from screwpush_jax.algorithms.common.types import Actor, Metrics, Obs, Progress, Records, Rollout
from screwpush_jax.algorithms.grpo.config import GRPOConfig
from screwpush_jax.algorithms.grpo.update import Learner, init_learner, update


@final
@dataclasses.dataclass(frozen=True)
class GRPO:
    """Records of a step: `log_prob`, and of its episode whether it was `live`, and its `return`."""

    config: GRPOConfig
    horizon: int
    task_obs_sizes: Mapping[str, int]
    """Of `policy`; what is for a critic nobody reads."""
    action_size: int
    obs_sets: Sets = dataclasses.field(default_factory=dict)
    """Of those that have one."""

    @property
    def num_steps(self) -> int:
        return self.config.rollout_steps(self.horizon)

    @property
    def group_size(self) -> int:
        return self.config.group_size

    @property
    def obs_sizes(self) -> Mapping[str, int]:
        return {"policy": self.task_obs_sizes["policy"]}

    def init(self, key: jax.Array) -> Learner:
        return init_learner(self.config, self.obs_sizes, self.action_size, key, self.obs_sets)

    def init_memory(self, num_envs: int) -> tuple[()]:
        del num_envs
        return ()

    def act(self, policy: Actor, memory: Any, obs: Obs, key: jax.Array) -> Decision:
        action, log_prob = choose_action(self._network, policy, self._read(obs), key)
        return Decision(action, {"log_prob": log_prob}, memory)

    def act_best(self, policy: Actor, memory: Any, obs: Obs) -> tuple[jax.Array, Any]:
        return best_action(self._network, policy, self._read(obs)), memory

    def describe(self, policy: Actor) -> dict[str, Any]:
        return describe_normalizers(policy.obs_moments)

    def after(self, policy: Actor, memory: Any, obs: Obs, progress: Progress) -> Records:
        del policy, memory, obs
        return {"live": progress.live, "return": progress.return_}

    def update(
        self, num_iterations: int, learner: Learner, rollout: Rollout
    ) -> tuple[Learner, Metrics]:
        rollout = dataclasses.replace(rollout, obs=split(self.obs_sets, rollout.obs))
        return update(self.config, num_iterations, learner, rollout)

    @property
    def _network(self) -> ActorCritic:
        return make_network(self.config, self.action_size)

    def _read(self, obs: Obs) -> Obs:
        return split(self.obs_sets, {name: obs[name] for name in self.obs_sizes})
