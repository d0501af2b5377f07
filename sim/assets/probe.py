"""A scene in which an engine is looked at, and what free bodies must do in it: plain data.

The bodies are bolts of the usual kind on the arm's table. Whoever looks at an engine needs to know of
them only what stands here: how long one is, how it stands, and how soon one that is pushed stops.
"""

import dataclasses
import math

from screwpush_sim.assets.arm_with_bolts import GROUP, SceneConfig, make_scene
from screwpush_sim.scene import Quat, Scene, Vec3


@dataclasses.dataclass(frozen=True)
class Probe:
    """A robot and one group of free bodies of one kind, which the scene lays out side by side.

    A body's origin is the middle of its length; its x axis runs along it.
    """

    scene: Scene
    group: str
    parked_rad: tuple[float, ...]  # [J] the robot out of the bodies' way
    other_rad: tuple[float, ...]  # [J] another such pose
    near_rad: tuple[float, ...]  # [J] where every joint has moved from there, as its drive can
    sweep_rad: tuple[
        tuple[float, ...], tuple[float, ...]
    ]  # [2][J] the tool across one of the bodies
    swept: int  # number of that body
    swept_m: float  # how far it goes at least
    inside_w: Vec3  # of the parked robot: inside a shape that meets the ground alone
    aloft_m: float  # height of the origin from which a body falls for a while
    lying_m: float  # height of the origin at which a level body is about to lie
    spin_rad_s: float  # as fast as a body spins about its x axis when it rolls
    push_m_s: float  # sideways, along the world's y
    push_s: float  # after which a pushed body is at rest
    over_m_s: float  # sideways, which takes a body over one edge
    side_m: float  # from edge to edge
    apart_m: float  # along y, from which one is thrown at another
    throw_m_s: float  # less than what passes through another between two steps
    touch_m: float  # less than their middles are apart along y when they touch
    turn_rad_s: float  # about the vertical, level
    com_x_m: float  # from the origin to the centre of mass
    moved_m: tuple[float, float]  # how far it is pushed, between these
    rest_speed_m_s: float
    stopped_by: str  # beside friction
    length_m: float
    upright_wxyz: Quat  # on the end at which x is least


def make_probe() -> Probe:
    """Three bolts: the hexagon of the head stops one that is pushed, and the round end of its capsule is
    what one stands on."""
    config = SceneConfig()
    low = (0.8563, -1.9295, 0.0, -0.3558, 0.0)  # the tip 6 mm above the table, 0.75 m from the base
    return Probe(
        scene=make_scene(config, physics="train"),
        group=GROUP,
        parked_rad=(0.0, 0.3, -1.3, 0.0, -0.5, 0.0),
        other_rad=(0.2, 0.3, -1.3, 0.1, -0.5, 0.0),
        near_rad=(0.03, 0.32, -1.28, 0.03, -0.53, 0.04),
        sweep_rad=((0.07, *low), (-0.07, *low)),
        swept=1,
        swept_m=0.03,
        inside_w=(-0.7855, 0.0, 1.0428),
        aloft_m=0.5,
        lying_m=0.01,
        spin_rad_s=94.0,  # of a shank before the rod, which moves by 0.4 m/s along x and y
        push_m_s=0.3,
        push_s=0.8,
        over_m_s=0.22,
        side_m=config.screw.head_across_corners_m / 2,
        apart_m=0.022,
        throw_m_s=0.6,
        touch_m=1.7 * config.screw.shank_radius_m,
        turn_rad_s=60.0,
        com_x_m=config.screw.inertia()[1],
        moved_m=(0.005, 0.05),
        rest_speed_m_s=0.05,
        stopped_by="the head's mesh",
        length_m=config.screw.length_m,
        upright_wxyz=(math.sqrt(0.5), 0.0, -math.sqrt(0.5), 0.0),
    )
