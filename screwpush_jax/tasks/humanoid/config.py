"""Every number of the task `humanoid`."""

import dataclasses
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Interval

from screwpush_jax.tasks.disturbance import RobotDisturbance
from screwpush_jax.tasks.humanoid.reward import RewardWeights
from screwpush_sim.assets.humanoid import TORSO_HEIGHT_M, SceneConfig
from screwpush_sim.variation import Variation


@dataclasses.dataclass(frozen=True)
class HumanoidConfig:
    """Run upright along the world's x axis, as fast as it goes."""

    scene: SceneConfig = SceneConfig()
    """The physical scene."""
    variation: Variation = Variation()
    """How the physics of training's scenes differs from one to the next."""
    disturbance: RobotDisturbance = RobotDisturbance()
    """What is late, what is measured wrongly, and pushes, in training and in evaluation."""

    # success and failure
    min_height_m: Annotated[float, Gt(0)] = 0.8
    """With its torso's origin lower than this, metres, it fell."""
    success_speed_m_s: Annotated[float, Gt(0)] = 3.0
    """An episode that reaches the horizon succeeds if its mean speed, metres per second, is no less."""
    max_speed_m_s: Annotated[float, Gt(0)] = 30.0
    """A faster torso, metres per second, is a physics blow-up (`env/invalid`)."""
    horizon: Annotated[int, Gt(0)] = 1000
    """Control steps after which an episode is truncated."""

    # observation
    foot_contacts: bool = False
    """Also observe what the ground exerts on each foot."""

    # reset
    bank_size: Annotated[int, Gt(0)] = 4096
    """Start states that resets draw from."""
    start_joint_rad: Annotated[float, Interval(ge=0, le=0.5)] = 0.2
    """Joints start within this of the standing pose, radians, and within their ranges."""
    start_joint_vel_rad_s: Annotated[float, Ge(0)] = 0.1
    """Joints start no faster than this, radians per second."""

    # reward
    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""
    upright_from: Annotated[float, Interval(ge=-1, le=1)] = 0.93
    """The torso counts as upright if its axis points up by more than this (cosine)."""
    heading_full: Annotated[float, Interval(gt=0, le=1)] = 0.8
    """The heading counts in full if the torso looks to the target by more than this (cosine)."""
    joint_limit_from: Annotated[float, Interval(ge=0, lt=1)] = 0.98
    """A joint is at its limit beyond this part of its range."""

    POLICY_FIELDS: ClassVar[tuple[str, ...]] = ("foot_contacts",)
    FIXED_FIELDS: ClassVar[tuple[str, ...]] = (
        "disturbance",
        "bank_size",
        "start_joint_rad",
        "start_joint_vel_rad_s",
    )

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, where fields contradict each other."""
        if not self.min_height_m < TORSO_HEIGHT_M:
            raise ValueError(
                f"min_height_m {self.min_height_m:g}; valid: less than the torso's height when it"
                f" stands, {TORSO_HEIGHT_M:g}"
            )
        if not self.success_speed_m_s < self.max_speed_m_s:
            raise ValueError(
                f"success_speed_m_s {self.success_speed_m_s:g}; valid: less than max_speed_m_s,"
                f" {self.max_speed_m_s:g}"
            )
