"""What GRPO can be told."""

import dataclasses
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt

from screwpush_jax.algorithms.common.config import ClippedConfig


@dataclasses.dataclass(frozen=True)
class GRPOConfig(ClippedConfig):
    """Group relative policy optimisation (Shao et al. 2024): no critic; a rollout is a horizon long."""

    num_minibatches: Annotated[int, Gt(0)] = 32
    """Minibatches in one pass; divides num_envs times the task's horizon."""
    group_size: Annotated[int, Ge(2)] = 8
    """G: environments that share a start and are compared with each other; divides num_envs."""
    kl_coef: Annotated[float, Ge(0)] = 0.0
    """Weight of the KL divergence from the reference policy."""
    reference: Literal["update", "first"] = "update"
    """The reference policy: update is the one that acted in this update's rollout, first the one that
    the run began with."""

    POLICY_FIELDS: ClassVar[tuple[str, ...]] = ("reference", *ClippedConfig.POLICY_FIELDS)
    FIXED_FIELDS: ClassVar[tuple[str, ...]] = ("group_size", *ClippedConfig.FIXED_FIELDS)

    def rollout_steps(self, horizon: int) -> int:
        """See `screwpush_jax.algorithms.registry.Options`."""
        return horizon
