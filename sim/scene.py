"""What stands on the table and how it is stepped: numbers that every engine shares."""

import dataclasses
from typing import Annotated, Literal

from annotated_types import Gt, Interval

from sim.assets.bolt import Bolt


@dataclasses.dataclass(frozen=True)
class SceneConfig:
    """The physical scene. Engines build their own model from it and from `sim.assets`."""

    num_screws: Annotated[int, Interval(ge=2, le=8)] = 3
    """Screws in each scene, 2 to 8."""
    physics_dt_s: Annotated[float, Interval(gt=0, le=0.1)] = 0.005
    """Length of one physics step, seconds."""
    decimation: Annotated[int, Gt(0)] = 10
    """Physics steps in one control step."""
    friction: Annotated[float, Gt(0)] = 0.6
    """Sliding friction of screws, rod and table."""
    cone: Literal["pyramidal", "elliptic"] = "pyramidal"
    """Shape of the friction cone."""
    screw: Bolt = Bolt()
    """Geometry and density of a screw."""

    @property
    def control_dt_s(self) -> float:
        """Length of one control step, seconds."""
        return self.physics_dt_s * self.decimation
