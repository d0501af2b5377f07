"""What PPO can be told."""

import dataclasses
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Interval

from screwpush_jax.algorithms.common.config import ClippedConfig


@dataclasses.dataclass(frozen=True)
class PPOConfig(ClippedConfig):
    """Proximal policy optimisation (Schulman et al. 2017) and its usual companions."""

    num_steps: Annotated[int, Gt(0)] = 24
    """T: control steps that each environment contributes to one update."""
    gamma: Annotated[float, Interval(ge=0, le=1)] = 0.99
    """Discount per control step."""
    gae_lambda: Annotated[float, Interval(ge=0, le=1)] = 0.95
    """Mixing of the advantage estimator."""
    value_clip: Annotated[float, Gt(0)] = 0.5
    """Value predictions count within this of the rollout's, in normalised units."""
    vf_coef: Annotated[float, Ge(0)] = 0.5
    """Weight of the value loss."""

    FIXED_FIELDS: ClassVar[tuple[str, ...]] = ("num_steps", *ClippedConfig.FIXED_FIELDS)

    group_size: ClassVar[int] = 1

    def rollout_steps(self, horizon: int) -> int:
        """See `screwpush_jax.algorithms.registry.Options`."""
        del horizon
        return self.num_steps
