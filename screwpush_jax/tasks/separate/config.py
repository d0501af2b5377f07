"""Every number of the task `separate` beside those that tasks on screws share."""

import dataclasses
import math
from typing import Annotated, ClassVar, Literal

from annotated_types import Gt, Interval

from screwpush_jax.tasks.screws.config import ScrewsConfig
from screwpush_jax.tasks.separate.reward import RewardWeights

_LARGEST_SEPARATION = {
    2: math.sqrt(2),
    3: math.sqrt(6) - math.sqrt(2),
    4: 1.0,
    5: math.sqrt(2) / 2,
    6: math.sqrt(13) / 6,
    7: 4 - 2 * math.sqrt(3),
    8: (math.sqrt(6) - math.sqrt(2)) / 2,
}
"""By the number of points: how far apart they can all be in a square of side 1 (the packing of
circles in a square; Croft, Falconer, Guy 1991, D1)."""


@dataclasses.dataclass(frozen=True)
class SeparateConfig(ScrewsConfig):
    """Push the screws apart until each pair is `separation_m` apart and all rest."""

    separation_m: Annotated[float, Gt(0)] = 0.15
    """D: the distance, metres, that every pair of screws must reach."""
    jumble_all_pairs: Annotated[float, Gt(0)] = 0.8
    """Every pair of a jumble is closer than this, in units of D."""
    jumble_closest_pair: Annotated[float, Interval(gt=0, le=1)] = 0.6
    """The closest pair of a jumble is closer than this, in units of D."""

    # observation
    observation: Literal["full", "set", "prototype19"] = "full"
    """Observation layout. full: the screws in an order, so each number of them takes a policy of its own;
    set: in none, so that one policy acts whatever their number; prototype19: the earlier system's."""
    sort_screws: bool = True
    """Canonical order of full: the closest pair first, and of equals the one nearer to the tip."""

    fewest_screws: Annotated[int, Interval(ge=0, le=8)] = 0
    """With the observation set: equally many episodes are about each number of screws from this one to
    scene.num_screws, the other screws are parked far away; 0: each is about all of them."""

    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""
    progress_clip: Annotated[float, Gt(0)] = 1.15
    """Pair distances count as progress up to this, in units of D."""

    POLICY_FIELDS: ClassVar[tuple[str, ...]] = (*ScrewsConfig.POLICY_FIELDS, "observation")
    FIXED_FIELDS: ClassVar[tuple[str, ...]] = (
        *ScrewsConfig.FIXED_FIELDS,
        "jumble_all_pairs",
        "jumble_closest_pair",
        "fewest_screws",
    )

    @property
    def counts(self) -> range:
        return range(self.fewest_screws or self.scene.num_screws, self.scene.num_screws + 1)

    @property
    def unbound_fields(self) -> tuple[str, ...]:
        """Of `POLICY_FIELDS`: what a policy that reads a set is not bound to."""
        return ("scene.num_screws",) if self.observation == "set" else ()

    def check(self) -> None:
        super().check()
        self._check_at_most("jumble_closest_pair", "jumble_all_pairs")

    def _check_fewest(self) -> None:
        fewest, most = self.fewest_screws, self.scene.num_screws
        if fewest and not 2 <= fewest <= most:
            raise ValueError(f"fewest_screws {fewest}; valid: 0, or 2 to scene.num_screws, {most}")
        if len(self.counts) > 1 and self.observation != "set":
            raise ValueError(
                f"fewest_screws {fewest} needs --env.observation set: {self.observation} shows as many"
                " screws as there are"
            )

    def check_scene(self) -> None:
        num_screws, shank_radius_m = self.scene.num_screws, self.scene.screw.shank_radius_m
        if self.observation == "prototype19" and num_screws != 3:
            raise ValueError("observation prototype19 needs --env.scene.num-screws 3")
        self._check_fewest()
        side = 2 * self.area_half_m
        largest = side * _LARGEST_SEPARATION[num_screws]
        if self.separation_m > largest:
            raise ValueError(
                f"separation_m {self.separation_m:g}; valid: at most {largest:.4g}, as far as"
                f" {num_screws} screws can be apart in an area of {side:g} m (area_half_m"
                f" {self.area_half_m:g})"
            )
        if not self.jumble_closest_pair * self.separation_m > 2 * shank_radius_m:
            raise ValueError(
                f"jumble_closest_pair {self.jumble_closest_pair:g}; valid: more than"
                f" {2 * shank_radius_m / self.separation_m:.4g}, at which the closest shanks touch"
            )
        super().check_scene()
