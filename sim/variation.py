"""Physics that differs from scene to scene: by which factors, and between which bounds they are drawn.

Every parameter is one factor per scene on what the scene says; 1 leaves it as it is. They are drawn on
the host when a simulator is built, from a seed alone, so every engine gets the same ones.
"""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Interval

from screwpush_sim.errors import VariationNotSupportedError
from screwpush_sim.scene import Scene

Factor = Annotated[float, Interval(ge=0.01, le=100)]
Range = tuple[Factor, Factor]
Size = Annotated[float, Interval(ge=0.1, le=10)]  # a moment of inertia goes with its fifth power
Params = Mapping[str, np.ndarray]
"""Float32 factors `[N]` by the parameter's name; one that is not varied is not there."""


@dataclasses.dataclass(frozen=True)
class Variation:
    """Bounds of the factors by which each scene's physics differs from the nominal; 1 1: not varied."""

    friction: Range = (1.0, 1.0)
    """Sliding friction of everything, the ground included."""
    body_mass: Range = (1.0, 1.0)
    """Mass and inertia of all free bodies."""
    body_size: tuple[Size, Size] = (1.0, 1.0)
    """Every length of all free bodies, at the same density. They come in `body_sizes` sizes, and are drawn
    as the nominal one."""
    body_sizes: Annotated[int, Interval(ge=1, le=64)] = 8
    """K: how many sizes lie between the bounds of body_size, these included; scene n has number n modulo K."""
    robot_mass: Range = (1.0, 1.0)
    """Mass and inertia of all links of the robot."""
    drive_gain: Range = (1.0, 1.0)
    """Stiffness and damping of drives by position, torque of drives by torque."""
    distribution: Literal["log_uniform", "uniform"] = "log_uniform"
    """How factors are distributed between the bounds; log_uniform: as often below 1 as above between
    1/f and f."""

    FIXED_FIELDS: ClassVar[tuple[str, ...]] = (
        *("friction", "body_mass", "body_size", "body_sizes", "robot_mass", "drive_gain"),
        "distribution",
    )

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, where bounds are reversed."""
        for name in PARAMETERS:
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} {low:g} {high:g}; valid: the smaller factor first")

    @property
    def start_classes(self) -> int:
        """K where the bodies' sizes differ, else 1: what settled in scene n suits the scenes that have n's
        remainder modulo K."""
        return self.body_sizes if "body_size" in self.varied else 1

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of the parameters that are not left alone."""
        return tuple(name for name in PARAMETERS if getattr(self, name) != (1.0, 1.0))

    def draw(self, num_envs: int, seed: int) -> dict[str, np.ndarray]:
        """The factors `[N]` of what is varied; equal seeds, equal draws, whatever else is varied."""
        return {name: self._draw(name, num_envs, seed) for name in self.varied}

    def draw_sizes(self, num_envs: int) -> dict[str, np.ndarray]:
        """Of the factors those that decide what is a start state: they depend on no seed."""
        return {name: self._draw(name, num_envs, 0) for name in self.varied if name == "body_size"}

    def _draw(self, name: str, num_envs: int, seed: int) -> np.ndarray:
        low, high = getattr(self, name)
        if name == "body_size":
            count = self.body_sizes
            share = np.arange(num_envs) % count / max(count - 1, 1)
        else:
            rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
            share = rng.random(num_envs)
        if self.distribution == "uniform":
            return (low + share * (high - low)).astype(np.float32)
        return (low * (high / low) ** share).astype(np.float32)


PARAMETERS = ("friction", "body_mass", "body_size", "robot_mass", "drive_gain")
"""Everything that an engine may be able to vary."""
OF_BODIES = ("body_mass", "body_size")


def check_can_vary(engine: str, can: Sequence[str], scene: Scene, names: Sequence[str]) -> None:
    """Whether an engine that varies `can` takes `names` in this scene.

    Raises:
      VariationNotSupportedError: the engine cannot, or the scene has nothing of the kind.
    """
    there = [name for name in PARAMETERS if name not in OF_BODIES or scene.groups]
    valid = [name for name in there if name in can]
    for name in names:
        if name not in valid:
            what = f"engine {engine} cannot vary it" if name in there else "the scene has no bodies"
            raise VariationNotSupportedError(
                f"{name}: {what}; valid: {', '.join(valid) or 'none'}", name
            )


def to_jax(params: Params) -> dict[str, jax.Array]:
    """A copy of `params` where JAX computes."""
    return {name: jnp.array(value) for name, value in params.items()}
