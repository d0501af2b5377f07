"""What may stand between a policy and its world: late controls, wrong measurements, pushes.

Off by default. A task has a field `disturbance` of one of these types among its options, or of none;
`screwpush_jax.disturbances` does what it says, in training and in evaluation.
"""

import dataclasses
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Gt, Interval

Delay = Annotated[int, Interval(ge=0, le=8)]
Spread = Annotated[float, Interval(ge=0, le=100)]
BodySpread = Annotated[float, Interval(ge=0, le=0.1)]
"""With more, a body would seem to lie elsewhere in the room."""
Share = Annotated[float, Interval(ge=0, le=1)]


class Error(NamedTuple):
    """Of a measured quantity, in its unit; normal along each axis."""

    noise: float = 0.0
    """Standard deviation, drawn at each control step."""
    bias: float = 0.0
    """Standard deviation, drawn for each episode."""
    hidden: float = 0.0
    """Share of the episodes in which it reads zero, whatever it is; the same episodes for all."""


@dataclasses.dataclass(frozen=True)
class Disturbance:
    """Between the policy and its world."""

    delay_steps: tuple[Delay, Delay] = (0, 0)
    """Controls reach the drives so many control steps late: of each episode a whole number between
    these two."""
    asymmetric_critic: bool = False
    """The critic sees the undisturbed observation, the delay, and by which factors its scene's physics
    differs; the policy what is disturbed."""

    POLICY_FIELDS: ClassVar[tuple[str, ...]] = ("asymmetric_critic",)

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, for a range that is reversed."""
        low, high = self.delay_steps
        if low > high:
            raise ValueError(f"delay_steps {low} {high}; valid: the shorter delay first")

    @property
    def robot_errors(self) -> dict[str, Error]:
        """By the fields of `screwpush_sim.state.RobotState`; rad of rotation for `base_quat_w`."""
        return {}

    @property
    def body_errors(self) -> dict[str, Error]:
        """By the fields of `screwpush_sim.state.Bodies`, of every group."""
        return {}

    @property
    def push(self) -> tuple[float, int]:
        """Largest change (m/s) that a push makes to the base's velocity along x and y, and the
        control steps between two pushes, on average; no pushes if the first is 0."""
        return 0.0, 1


@dataclasses.dataclass(frozen=True)
class BodyDisturbance(Disturbance):
    """Of tasks in which a camera would say where free bodies lie."""

    body_pos_noise_m: BodySpread = 0.0
    """Standard deviation of the error of each body's measured position, along each axis, drawn at
    each control step."""
    body_pos_bias_m: BodySpread = 0.0
    """The same, drawn for each episode and constant in it."""
    hide_body_velocities: Share = 0.0
    """Share of the episodes in which velocities of bodies, linear and angular, read zero."""

    @property
    def body_errors(self) -> dict[str, Error]:
        hidden = Error(hidden=self.hide_body_velocities)
        pos = Error(self.body_pos_noise_m, self.body_pos_bias_m)
        return {"pos_w": pos, "linvel_w": hidden, "angvel_w": hidden}


@dataclasses.dataclass(frozen=True)
class RobotDisturbance(Disturbance):
    """Of a robot on a free base: its sensors, and pushes."""

    joint_pos_noise_rad: Spread = 0.0
    """Standard deviation of the error of each measured joint position, drawn at each control step."""
    joint_pos_bias_rad: Spread = 0.0
    """The same, drawn for each episode and constant in it."""
    joint_vel_noise_rad_s: Spread = 0.0
    """Standard deviation of the error of each measured joint velocity, drawn at each control step."""
    base_linvel_noise_m_s: Spread = 0.0
    """The same of the base's velocity, along each axis."""
    base_angvel_noise_rad_s: Spread = 0.0
    """The same of the base's angular velocity, along each axis."""
    base_tilt_noise_rad: Spread = 0.0
    """The same of the base's orientation, about each axis."""
    push_m_s: Spread = 0.0
    """A push changes the base's velocity along x and y by at most this much each, uniformly; 0 for
    no pushes."""
    push_every_steps: Annotated[int, Gt(0)] = 120
    """Control steps between two pushes, on average."""

    @property
    def robot_errors(self) -> dict[str, Error]:
        return {
            "joint_pos": Error(self.joint_pos_noise_rad, self.joint_pos_bias_rad),
            "joint_vel": Error(self.joint_vel_noise_rad_s),
            "base_linvel_w": Error(self.base_linvel_noise_m_s),
            "base_angvel_w": Error(self.base_angvel_noise_rad_s),
            "base_quat_w": Error(self.base_tilt_noise_rad),
        }

    @property
    def push(self) -> tuple[float, int]:
        return self.push_m_s, self.push_every_steps
