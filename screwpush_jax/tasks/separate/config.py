"""Every number of the task `separate`."""

import dataclasses
from typing import ClassVar, Literal

AXES = ("x", "y", "z", "roll", "pitch", "yaw")
Axis = Literal["x", "y", "z", "roll", "pitch", "yaw"]


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
class SeparateConfig:
    """Push the screws apart until each pair is `separation_m` apart and all rest."""

    # success and failure
    separation_m: float = 0.15
    """D: the distance, metres, that every pair of screws must reach."""
    rest_speed_m_s: float = 0.05
    """A screw slower than this, metres per second, is at rest."""
    max_height_m: float = 0.05
    """A screw whose centre is lower than this, metres, lies on the table."""
    hold_steps: int = 5
    """Control steps in a row for which the success condition must hold."""
    area_center_m: tuple[float, float] = (-0.75, 0.0)
    """Centre of the work area, world x and y, metres."""
    area_half_m: float = 0.35
    """Half the side of the work area, metres."""
    fall_height_m: float = -0.05
    """A screw lower than this, metres, fell."""
    max_speed_m_s: float = 20.0
    """A faster screw, metres per second, is a physics blow-up (`env/invalid`)."""
    horizon: int = 300
    """Control steps after which an episode is truncated."""

    # action
    active_axes: tuple[Axis, ...] = AXES
    """Which of x y z roll pitch yaw the policy moves; the others keep their command."""
    position_step_m: float = 0.02
    """Tip displacement of a full action, metres per control step."""
    rotation_step_rad: float = 0.05
    """Tool rotation of a full action, radians per control step."""
    tip_height_m: tuple[float, float] = (0.012, 0.12)
    """Lowest and highest commanded tip, metres."""
    max_tilt_rad: float = 0.35
    """Largest commanded angle between rod and vertical, radians."""
    joint_speed_rad_s: float = 3.0
    """Fastest commanded joint, radians per second; a faster move is slowed as a whole."""

    # observation
    observation: Literal["full", "prototype19"] = "full"
    """Observation layout."""
    sort_screws: bool = True
    """Canonical order: the closest pair first, and of equals the one nearer to the tip."""

    # reset
    bank_size: int = 4096
    """Jumbles that resets draw from."""
    jumble_radius_m: float = 0.12
    """Every screw of a jumble lies within this of the area's centre, metres."""
    jumble_all_pairs: float = 0.8
    """Every pair of a jumble is closer than this, in units of D."""
    jumble_closest_pair: float = 0.6
    """The closest pair of a jumble is closer than this, in units of D."""
    jumble_height_m: float = 0.025
    """Every screw's centre is lower than this, metres, so that no start pose touches one."""
    jumble_speed_m_s: float = 3e-4
    """Every screw of a jumble is slower than this, metres per second: leaning ones creep."""
    settle_s: float = 1.5
    """How long a dropped jumble may settle, seconds."""
    drop_spread_m: float = 0.05
    """Screws are dropped within this of a common point, metres."""
    start_tip_half_m: float = 0.15
    """Start poses have the tip within this of the centre in x and in y, metres."""
    start_tip_height_m: tuple[float, float] = (0.06, 0.10)
    """Start poses have the tip between these heights, metres."""

    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""
    progress_clip: float = 1.15
    """Pair distances count as progress up to this, in units of D."""

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
