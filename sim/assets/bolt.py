"""The hex-head bolt: capsule shank and a convex hexagonal head, the same shapes in every engine.

Body frame: origin at the middle of the overall length, x along the shank towards the head.
"""

import dataclasses
import math
from typing import Annotated

import numpy as np
from annotated_types import Gt

from screwpush_sim.scene import BodyGroup, Capsule, Hull, Inertia, Vec3
from screwpush_sim.visual import HexPrism, Revolved, Thread, Visual

_HEAD_FACES = (
    (5, 4, 3, 2, 1, 0),
    (6, 7, 8, 9, 10, 11),
    *((a, (a + 1) % 6, (a + 1) % 6 + 6, a + 6) for a in range(6)),
)
"""Of the head's corners, counterclockwise from outside."""
_THREAD_PITCH_M, _THREAD_DEPTH_M, _THREAD_FRACTION = 0.00225, 0.0008, 0.62


@dataclasses.dataclass(frozen=True)
class Bolt:
    """Geometry (m) and density (kg/m3) of one bolt."""

    length_m: Annotated[float, Gt(0)] = 0.095
    shank_radius_m: Annotated[float, Gt(0)] = 0.006
    head_thickness_m: Annotated[float, Gt(0)] = 0.008
    head_across_corners_m: Annotated[float, Gt(0)] = 0.0196
    density: Annotated[float, Gt(0)] = 7850.0

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, for a bolt that cannot be."""
        least = self.head_thickness_m + self.shank_radius_m
        if not self.length_m > least:
            raise ValueError(
                f"length_m {self.length_m:g}; valid: longer than the head's thickness and the"
                f" shank's radius, {least:g}"
            )
        if not self.head_across_corners_m >= 2 * self.shank_radius_m:
            raise ValueError(
                f"head_across_corners_m {self.head_across_corners_m:g}; valid: as wide as the"
                f" shank, {2 * self.shank_radius_m:g}, or wider"
            )

    @property
    def head_x_m(self) -> tuple[float, float]:
        """Where the head begins and ends along x."""
        return self.length_m / 2 - self.head_thickness_m, self.length_m / 2

    @property
    def shank_axis_m(self) -> tuple[float, float]:
        """Ends of the shank capsule's axis along x; its round end closes at the tail."""
        return -self.length_m / 2 + self.shank_radius_m, self.head_x_m[0]

    def head_vertices_m(self) -> np.ndarray:
        """Corners of the hexagonal prism `[12, 3]`."""
        radius = self.head_across_corners_m / 2
        angles = np.arange(6) * math.pi / 3
        ring = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        return np.concatenate([np.insert(ring, 0, x, axis=1) for x in self.head_x_m])

    def inertia(self) -> tuple[float, float, tuple[float, float, float]]:
        """Mass (kg), centre of mass along x (m), principal inertia about it (kg m2).

        The shank counts as a solid cylinder up to the head, the head as a regular hexagonal prism
        (area 3 sqrt(3) / 2 R^2, second moment of area 5 sqrt(3) / 16 R^4 about any diameter).
        """
        tail, (head0, head1) = -self.length_m / 2, self.head_x_m
        shank_len, shank_mid = head0 - tail, (head0 + tail) / 2
        shank = self.density * math.pi * self.shank_radius_m**2 * shank_len
        radius = self.head_across_corners_m / 2
        area = 1.5 * math.sqrt(3) * radius**2
        head = self.density * area * self.head_thickness_m
        head_radial = self.density * self.head_thickness_m * 5 * math.sqrt(3) / 16 * radius**4
        mass = shank + head
        com = (shank * shank_mid + head * (head0 + head1) / 2) / mass
        axial = shank * self.shank_radius_m**2 / 2 + 2 * head_radial
        across = (
            shank * (self.shank_radius_m**2 / 4 + shank_len**2 / 12 + (shank_mid - com) ** 2)
            + head_radial
            + head * (self.head_thickness_m**2 / 12 + ((head0 + head1) / 2 - com) ** 2)
        )
        return mass, com, (axial, across, across)


def make_group(bolt: Bolt, name: str, start_pos_w: tuple[Vec3, ...]) -> BodyGroup:
    """Bolts of one kind that begin at these places: what is simulated, and what is drawn."""
    mass, com_x, moments = bolt.inertia()
    start, end = bolt.shank_axis_m
    corners = [(float(x), float(y), float(z)) for x, y, z in bolt.head_vertices_m()]
    return BodyGroup(
        name,
        start_pos_w,
        shapes=(
            Capsule("shank", (start, 0.0, 0.0), (end, 0.0, 0.0), bolt.shank_radius_m),
            Hull("head", tuple(corners), _HEAD_FACES),
        ),
        inertia=Inertia(mass, (com_x, 0.0, 0.0), moments),
        visuals=visuals(bolt),
    )


def visuals(bolt: Bolt) -> tuple[Visual, ...]:
    """The bolt as one sees it, in its body frame: chamfered head, plain shank, helical thread."""
    tail, (under, top) = -bolt.length_m / 2, bolt.head_x_m
    radius, root = bolt.shank_radius_m, bolt.shank_radius_m - _THREAD_DEPTH_M
    thread_end = tail + _THREAD_FRACTION * (under - tail)
    return (
        Revolved("zinc", ((tail, 0.0), (tail, root - 0.0006))),
        Thread("zinc", tail, thread_end, root, _THREAD_DEPTH_M, _THREAD_PITCH_M),
        Revolved("zinc", ((thread_end, root), (thread_end, radius))),
        Revolved("zinc", ((thread_end, radius), (under, radius))),
        HexPrism("zinc", under, top, bolt.head_across_corners_m / 2, radius),
    )
