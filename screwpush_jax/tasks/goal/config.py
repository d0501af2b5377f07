"""Every number of the task `goal` beside those that tasks on screws share."""

import dataclasses
import math
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Interval

from screwpush_jax.tasks.goal.reward import RewardWeights
from screwpush_jax.tasks.screws.config import ScrewsConfig


@dataclasses.dataclass(frozen=True)
class GoalConfig(ScrewsConfig):
    """Push the marked screw, the first of all, into a disc on the table and let it rest there."""

    goal_pos_m: tuple[float, float] = (-0.6, 0.0)
    """Centre of the disc, world x and y, metres."""
    goal_radius_m: Annotated[float, Gt(0)] = 0.05
    """Radius of the disc, metres; the marked screw's centre must lie in it."""
    start_distance_m: Annotated[float, Ge(0)] = 0.1
    """At the start the marked screw lies farther than this from the disc's centre, metres."""

    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""
    progress_clip: Annotated[float, Interval(ge=0, le=1)] = 0.8
    """The approach counts as progress down to this distance, in units of the disc's radius."""

    FIXED_FIELDS: ClassVar[tuple[str, ...]] = (
        *ScrewsConfig.FIXED_FIELDS,
        "start_distance_m",
        "goal_pos_m",  # the start states keep away from it
    )

    def check(self) -> None:
        super().check()
        (x, y), (center_x, center_y) = self.goal_pos_m, self.area_center_m
        room = self.area_half_m - self.goal_radius_m
        if max(abs(x - center_x), abs(y - center_y)) > room:
            raise ValueError(
                f"goal_pos_m {x:g} {y:g}; valid: within {room:g} (area_half_m {self.area_half_m:g}"
                f" less goal_radius_m {self.goal_radius_m:g}) of area_center_m {center_x:g}"
                f" {center_y:g} in x and in y"
            )
        most = math.hypot(x - center_x, y - center_y) + self.jumble_radius_m
        if not self.goal_radius_m <= self.start_distance_m < most:
            raise ValueError(
                f"start_distance_m {self.start_distance_m:g}; valid: from goal_radius_m,"
                f" {self.goal_radius_m:g}, to less than {most:.4g}, as far from the disc as a start"
                f" can be (jumble_radius_m {self.jumble_radius_m:g})"
            )
