"""The numbers that tasks on the same screws share."""

import dataclasses
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Interval, Le

from screwpush_jax.tasks.disturbance import BodyDisturbance
from screwpush_jax.tasks.screws.reach import crosses_seam, distances_m, reach_m
from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import WORK_CENTER_W, WORK_HALF_M, SceneConfig
from screwpush_sim.variation import Variation

AXES = ("x", "y", "z", "roll", "pitch", "yaw")
Axis = Literal["x", "y", "z", "roll", "pitch", "yaw"]


@dataclasses.dataclass(frozen=True)
class ScrewsConfig:
    """What every task on these screws has: its scene, area, ends, action and start states."""

    scene: SceneConfig = SceneConfig()
    """The physical scene."""
    variation: Variation = Variation()
    """How the physics of training's scenes differs from one to the next."""
    disturbance: BodyDisturbance = BodyDisturbance()
    """What is late and what is measured wrongly, in training and in evaluation."""

    # success and failure
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

    POLICY_FIELDS: ClassVar[tuple[str, ...]] = ("scene.num_screws", "active_axes")
    FIXED_FIELDS: ClassVar[tuple[str, ...]] = (
        "scene.num_screws",
        "scene.screw",
        "disturbance",
        "bank_size",
        "jumble_radius_m",
        "jumble_height_m",
        "jumble_speed_m_s",
        "settle_s",
        "drop_spread_m",
        "start_tip_half_m",
        "start_tip_height_m",
    )

    @property
    def counts(self) -> range:
        """How many screws an episode may be about; equally many start states for each number."""
        return range(self.scene.num_screws, self.scene.num_screws + 1)

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
            "rest_speed_m_s": "max_speed_m_s",
        }
        for name, limit in most.items():
            self._check_at_most(name, limit)
        if not self.jumble_height_m < start_low:
            raise ValueError(
                f"jumble_height_m {self.jumble_height_m:g}; valid: lower than the lowest start of"
                f" the tip, {start_low:g}"
            )
        least = len(self.counts) * self.variation.start_classes
        if self.bank_size < least:
            raise ValueError(
                f"bank_size {self.bank_size}; valid: at least {least}, a start state for each number of"
                " screws in each of their sizes"
            )
        self.check_scene()
        self.check_reach()

    def _check_at_most(self, name: str, limit: str) -> None:
        if getattr(self, name) > getattr(self, limit):
            raise ValueError(
                f"{name} {getattr(self, name):g}; valid: at most {limit}, {getattr(self, limit):g}"
            )

    def _check_axes(self) -> None:
        if not self.active_axes or len(set(self.active_axes)) != len(self.active_axes):
            given = " ".join(self.active_axes) or "(none)"
            raise ValueError(
                f"active_axes {given}; valid: one or more different axes of {', '.join(AXES)}"
            )

    def check_scene(self) -> None:
        """Raises ValueError, as `check`, if the task cannot be done, or begun, in its scene."""
        shank_radius_m = self.scene.screw.shank_radius_m
        for name in ("jumble_height_m", "max_height_m"):
            if not getattr(self, name) > shank_radius_m:
                raise ValueError(
                    f"{name} {getattr(self, name):g}; valid: more than the shank's radius,"
                    f" {shank_radius_m:g}: no screw lies lower"
                )
        if self.settle_s < self.scene.control_dt_s:
            raise ValueError(
                f"settle_s {self.settle_s:g}; valid: one control step, {self.scene.control_dt_s:g},"
                " or longer"
            )

    def check_reach(self) -> None:
        """Raises ValueError, as `check`, if the arm, rod straight down, misses some of the area."""
        arm = elfin15.arm_spec()
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
