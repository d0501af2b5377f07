"""The physics that have a name: a cheap one to learn in, a sound one to judge in, a hard one to check both.

A policy is trained in `train`. Start states settle, and every policy is evaluated, in `eval`.
"""

import dataclasses
import math
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from screwpush_sim.scene import Physics

Name = Literal["train", "eval", "reference"]

_Impedance = Annotated[float, Interval(gt=0, lt=1)]


@dataclasses.dataclass(frozen=True)
class PhysicsConfig:
    """How a scene is stepped, and how hard its contacts are."""

    dt_s: Annotated[float, Interval(gt=0, le=0.1)] = 0.005
    """Length of one physics step, seconds."""
    decimation: Annotated[int, Gt(0)] = 10
    """Physics steps in one control step."""
    cone: Literal["pyramidal", "elliptic"] = "pyramidal"
    """Shape of the friction cone."""
    contact_time_s: Annotated[float, Gt(0)] = 0.02
    """Time in which an overlap closes, seconds (MuJoCo's solref); MuJoCo itself takes no less than two
    physics steps, PhysX has none."""
    contact_impedance: tuple[_Impedance, _Impedance] = (0.9, 0.95)
    """How hard contacts are, at first touch and deeper (MuJoCo's solimp); PhysX has none."""
    solver_iterations: Annotated[int, Ge(0)] = 0
    """Upper bound on the contact solver's iterations in one physics step; 0: the engine's own."""

    @property
    def control_dt_s(self) -> float:
        """Length of one control step, seconds."""
        return self.dt_s * self.decimation

    def of_scene(self, friction: float) -> Physics:
        """The scene's physics."""
        return Physics(friction=friction, **{f.name: getattr(self, f.name) for f in _FIELDS})

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, where contacts would soften with depth."""
        first, deeper = self.contact_impedance
        if first > deeper:
            raise ValueError(
                f"contact_impedance {first:g} {deeper:g}; valid: the smaller one first"
            )


_FIELDS = dataclasses.fields(PhysicsConfig)


@dataclasses.dataclass(frozen=True)
class NamedPhysics:
    """The three physics of a scene, of one control step."""

    train: PhysicsConfig = PhysicsConfig(dt_s=0.01, decimation=5)
    """What training steps."""
    eval: PhysicsConfig = PhysicsConfig(
        0.002, 25, contact_time_s=0.004, contact_impedance=(0.95, 0.99), solver_iterations=20
    )
    """In what start states settle and policies are evaluated: its contacts hold (`docs/physics.md`)."""
    reference: PhysicsConfig = PhysicsConfig(
        *(0.001, 50, "elliptic"),
        contact_time_s=0.002,
        contact_impedance=(0.95, 0.99),
        solver_iterations=100,
    )
    """Small steps, hard contacts, solved to the end: slow, to check the other two by."""
    coarse_eval: bool = False
    """Whether eval may have longer physics steps than train."""

    def named(self, name: Name) -> PhysicsConfig:
        """The one of that name."""
        return getattr(self, name)

    @property
    def control_dt_s(self) -> float:
        """Length of one control step, seconds."""
        return self.eval.control_dt_s

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, where the three do not go together."""
        wanted_s = self.train.control_dt_s
        for name in ("eval", "reference"):
            one = self.named(name)
            if not math.isclose(one.control_dt_s, wanted_s, rel_tol=1e-6):
                raise ValueError(
                    f"{name}.decimation {one.decimation}: its control step, {one.dt_s:g} s x"
                    f" {one.decimation}, must be that of train, {wanted_s:g} s; valid: other"
                    f" {name}.dt_s or {name}.decimation"
                )
        if self.eval.dt_s > self.train.dt_s and not self.coarse_eval:
            raise ValueError(
                f"eval.dt_s {self.eval.dt_s:g}; valid: at most train.dt_s, {self.train.dt_s:g},"
                " or set coarse_eval"
            )
