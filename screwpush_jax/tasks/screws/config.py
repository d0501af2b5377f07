"""The numbers that tasks on the same screws share."""

import dataclasses
import math
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Interval, Le

from screwpush_jax.tasks.screws.reach import crosses_seam, distances_m, reach_m
from sim.assets.arm_with_bolts import WORK_CENTER_W, WORK_HALF_M
from sim.assets.elfin15 import ArmSpec

AXES = ("x", "y", "z", "roll", "pitch", "yaw")
Axis = Literal["x", "y", "z", "roll", "pitch", "yaw"]
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
class ScrewsConfig:
    """What every task on these screws has: its area, ends, action and start states."""

    # success and failure
    separation_m: Annotated[float, Gt(0)] = 0.15
    """D: the distance, metres, that every pair of screws must reach."""
    rest_speed_m_s: Annotated[float, Gt(0)] = 0.05
    """A screw slower than this, metres per second, is at rest."""
    max_height_m: Annotated[float, Gt(0)] = 0.05
    """A screw whose centre is lower than this, metres, lies on the table."""
    hold_steps: Annotated[int, Gt(0)] = 5
    """Control steps in a row for which the success condition must hold."""
    area_center_m: tuple[float, float] = WORK_CENTER_W
    """Centre of the work area, world x and y, metres."""
    area_half_m: Annotated[float, Gt(0)] = WORK_HALF_M
    """Half the side of the work area, metres."""
    fall_height_m: Annotated[float, Le(0)] = -0.05
    """A screw lower than this, metres, fell."""
    max_speed_m_s: Annotated[float, Gt(0)] = 20.0
    """A faster screw, metres per second, is a physics blow-up (`env/invalid`)."""
    horizon: Annotated[int, Gt(0)] = 300
    """Control steps after which an episode is truncated."""

    # action
    active_axes: tuple[Axis, ...] = AXES
    """Which of x y z roll pitch yaw the policy moves; the others keep their command."""
    position_step_m: Annotated[float, Gt(0)] = 0.02
    """Tip displacement of a full action, metres per control step."""
    rotation_step_rad: Annotated[float, Interval(ge=0, le=1.5)] = 0.05
    """Tool rotation of a full action, radians per control step."""
    tip_height_m: tuple[Annotated[float, Ge(0)], Annotated[float, Ge(0)]] = (0.012, 0.12)
    """Lowest and highest commanded tip, metres."""
    max_tilt_rad: Annotated[float, Interval(ge=0, le=1.5)] = 0.35
    """Largest commanded angle between rod and vertical, radians."""
    joint_speed_rad_s: Annotated[float, Gt(0)] = 3.0
    """Fastest commanded joint, radians per second; a faster move is slowed as a whole."""

    # reset
    bank_size: Annotated[int, Gt(0)] = 4096
    """Jumbles that resets draw from."""
    jumble_radius_m: Annotated[float, Gt(0)] = 0.12
    """Every screw of a jumble lies within this of the area's centre, metres."""
    jumble_all_pairs: Annotated[float, Gt(0)] = 0.8
    """Every pair of a jumble is closer than this, in units of D."""
    jumble_closest_pair: Annotated[float, Interval(gt=0, le=1)] = 0.6
    """The closest pair of a jumble is closer than this, in units of D."""
    jumble_height_m: Annotated[float, Gt(0)] = 0.025
    """Every screw's centre is lower than this, metres, so that no start pose touches one."""
    jumble_speed_m_s: Annotated[float, Gt(0)] = 3e-4
    """Every screw of a jumble is slower than this, metres per second: leaning ones creep."""
    settle_s: Annotated[float, Interval(gt=0, le=60)] = 1.5
    """How long a dropped jumble may settle, seconds."""
    drop_spread_m: Annotated[float, Ge(0)] = 0.05
    """Screws are dropped within this of a common point, metres."""
    start_tip_half_m: Annotated[float, Ge(0)] = 0.15
    """Start poses have the tip within this of the centre in x and in y, metres."""
    start_tip_height_m: tuple[Annotated[float, Ge(0)], Annotated[float, Ge(0)]] = (0.06, 0.10)
    """Start poses have the tip between these heights, metres."""

    START_FIELDS: ClassVar[tuple[str, ...]] = (
        "bank_size",
        "jumble_radius_m",
        "jumble_all_pairs",
        "jumble_closest_pair",
        "jumble_height_m",
        "jumble_speed_m_s",
        "settle_s",
        "drop_spread_m",
        "start_tip_half_m",
        "start_tip_height_m",
    )
    """Fields that have done their work once the start states are there."""

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, where fields contradict each other."""
        self._check_axes()
        for name in ("tip_height_m", "start_tip_height_m"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} {low:g} {high:g}; valid: the lower height first")
        (low, high), (start_low, start_high) = self.tip_height_m, self.start_tip_height_m
        if not low <= start_low <= start_high <= high:
            raise ValueError(
                f"start_tip_height_m {start_low:g} {start_high:g}; valid: within tip_height_m,"
                f" {low:g} to {high:g}"
            )
        most = {
            "hold_steps": "horizon",
            "start_tip_half_m": "area_half_m",
            "jumble_radius_m": "area_half_m",
            "jumble_closest_pair": "jumble_all_pairs",
            "rest_speed_m_s": "max_speed_m_s",
        }
        for name, limit in most.items():
            if getattr(self, name) > getattr(self, limit):
                raise ValueError(
                    f"{name} {getattr(self, name):g}; valid: at most {limit},"
                    f" {getattr(self, limit):g}"
                )
        if not self.jumble_height_m < start_low:
            raise ValueError(
                f"jumble_height_m {self.jumble_height_m:g}; valid: lower than the lowest start of"
                f" the tip, {start_low:g}"
            )

    def _check_axes(self) -> None:
        if not self.active_axes or len(set(self.active_axes)) != len(self.active_axes):
            given = " ".join(self.active_axes) or "(none)"
            raise ValueError(
                f"active_axes {given}; valid: one or more different axes of {', '.join(AXES)}"
            )

    def check_scene(self, num_screws: int, shank_radius_m: float, control_dt_s: float) -> None:
        """Whether the task can be done, and begun, in such a scene.

        Raises:
          ValueError: beginning with the field's name.
        """
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
        for name in ("jumble_height_m", "max_height_m"):
            if not getattr(self, name) > shank_radius_m:
                raise ValueError(
                    f"{name} {getattr(self, name):g}; valid: more than the shank's radius,"
                    f" {shank_radius_m:g}: no screw lies lower"
                )
        if self.settle_s < control_dt_s:
            raise ValueError(
                f"settle_s {self.settle_s:g}; valid: one control step, {control_dt_s:g}, or longer"
            )

    def check_reach(self, arm: ArmSpec) -> None:
        """Whether the arm reaches all of the work area with the rod straight down.

        Raises:
          ValueError: beginning with the field's name.
        """
        (x, y), half = self.area_center_m, self.area_half_m
        near, far = distances_m(arm, self.area_center_m, half, self.tip_height_m)
        least, most = reach_m(arm)
        if near < least or far > most:
            raise ValueError(
                f"area_center_m {x:g} {y:g} (area_half_m {half:g}, tip_height_m"
                f" {self.tip_height_m[0]:g} {self.tip_height_m[1]:g}): the wrist would be"
                f" {near:.3g} to {far:.3g} m from the shoulder; valid: {least:.3g} to {most:.3g}"
            )
        if crosses_seam(arm, self.area_center_m, half):
            raise ValueError(
                f"area_center_m {x:g} {y:g} (area_half_m {half:g}): across the arm's back, where"
                " joint 1 ends; valid: an area that leaves out y = 0 with x > 0"
            )
