"""Every number of the task `separate` beside those that tasks on screws share."""

import dataclasses
from typing import Annotated, ClassVar, Literal

from annotated_types import Gt

from screwpush_jax.tasks.screws.config import ScrewsConfig


@dataclasses.dataclass(frozen=True)
class RewardWeights:
    """Weight of each reward term; the keys are the terms'."""

    progress: float = 20.0
    """Growth of the pair distances: mean and minimum over pairs, clipped, in units of D."""
    reach: float = 2.0
    """Approach of the tip to the middle of the closest pair, in units of 0.1 m."""
    success: float = 10.0
    """Once, when the episode succeeds."""
    holding: float = 0.05
    """Each step in which the success condition holds."""
    failure: float = -10.0
    """Once, when a screw leaves the work area or falls."""
    action_rate: float = -0.002
    """Squared change of the action, summed over its axes."""
    time: float = -0.02
    """Each step."""


@dataclasses.dataclass(frozen=True)
class SeparateConfig(ScrewsConfig):
    """Push the screws apart until each pair is `separation_m` apart and all rest."""

    # observation
    observation: Literal["full", "prototype19"] = "full"
    """Observation layout."""
    sort_screws: bool = True
    """Canonical order: the closest pair first, and of equals the one nearer to the tip."""

    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""
    progress_clip: Annotated[float, Gt(0)] = 1.15
    """Pair distances count as progress up to this, in units of D."""

    POLICY_FIELDS: ClassVar[tuple[str, ...]] = (*ScrewsConfig.POLICY_FIELDS, "observation")

    def check(self) -> None:
        if self.observation == "prototype19" and self.scene.num_screws != 3:
            raise ValueError("observation prototype19 needs --env.scene.num-screws 3")
        super().check()
