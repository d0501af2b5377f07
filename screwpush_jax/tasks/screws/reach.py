"""Where an elbow arm can put its tip with the tool straight down, by its lengths alone."""

import math

from screwpush_sim.assets.elfin15 import ArmSpec


def reach_m(arm: ArmSpec) -> tuple[float, float]:
    """Least and largest distance (m) of the wrist's centre from the shoulder.

    Law of cosines for the upper arm and the forearm; the elbow opens to zero and closes to its
    joint's limit (the arm's build as in `screwpush_jax.tasks.screws.kinematics`).
    """
    upper, forearm = arm.offsets_m[2][1], arm.offsets_m[4][2]
    closed = math.cos(min(arm.range_rad[2], math.pi))
    return math.sqrt(upper**2 + forearm**2 + 2 * upper * forearm * closed), upper + forearm


def distances_m(
    arm: ArmSpec, center_m: tuple[float, float], half_m: float, height_m: tuple[float, float]
) -> tuple[float, float]:
    """Least and largest distance (m) between shoulder and wrist, the tool straight down and its tip
    anywhere in a square of the world's x and y and between two heights."""
    offsets = [abs(c - b) for c, b in zip(center_m, arm.base_pos_w[:2], strict=True)]
    shoulder_z = arm.base_pos_w[2] + arm.offsets_m[0][2]
    low, high = (height + arm.tip_m - shoulder_z for height in height_m)
    level = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    near = math.hypot(*(max(offset - half_m, 0.0) for offset in offsets), level)
    far = math.hypot(*(offset + half_m for offset in offsets), max(abs(low), abs(high)))
    return near, far


def crosses_seam(arm: ArmSpec, center_m: tuple[float, float], half_m: float) -> bool:
    """Whether the square lies across the ray along +x, opposite to joint 1's zero, where that
    joint's range ends and the arm would have to turn all the way round."""
    x, y = (c - b for c, b in zip(center_m, arm.base_pos_w[:2], strict=True))
    return arm.range_rad[0] < 2 * math.pi and x + half_m > 0.0 and abs(y) <= half_m
