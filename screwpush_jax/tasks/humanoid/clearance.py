"""How much room a pose has: between its own parts, and down to the ground. Host arrays.

All shapes of the humanoid are capsules, or spheres, which are capsules without length. Legend: B poses,
J joints, S shapes.
"""

import itertools

import numpy as np

from screwpush_sim.scene import RobotModel, touching_links


def clearance(robot: RobotModel, joint_pos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of poses `[B, J]` (rad) with the base level at the origin: the height of the lowest point of any
    shape, and the smallest gap between two shapes that may collide, `[B]` m each."""
    ends, radii, links = _capsules(robot, np.asarray(joint_pos, float))
    lowest = np.min(ends[..., 2].min(axis=2) - radii, axis=1)
    joined = {frozenset((one.name, other.name)) for one, other in touching_links(robot)}
    gap = np.full(len(ends), np.inf)
    for a, b in itertools.combinations(range(len(links)), 2):
        pair = frozenset((links[a], links[b]))
        if len(pair) == 2 and pair not in joined:
            apart = _segment_distance(*ends[:, a].swapaxes(0, 1), *ends[:, b].swapaxes(0, 1))
            gap = np.minimum(gap, apart - radii[a] - radii[b])
    return lowest, gap


def _capsules(robot: RobotModel, joint_pos: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Ends `[B, S, 2, 3]`, radii `[S]`, and the link of each shape."""
    count = len(joint_pos)
    places: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    ends, radii, links, joint = [], [], [], 0
    for link in robot.links:
        pos, turned = places.get(link.parent, (np.zeros((count, 3)), np.eye(3)[None]))
        if link.parent:
            pos = pos + turned @ np.array(link.offset_m)
        if link.joint is not None:
            turned = turned @ _rotation(np.array(link.joint.axis), joint_pos[:, joint])
            joint += 1
        places[link.name] = pos, turned
        for shape in link.shapes:
            if shape.kind == "capsule":
                both = np.array([shape.start_m, shape.end_m])
            elif shape.kind == "sphere":
                both = np.array([shape.center_m] * 2)
            else:
                raise ValueError(
                    f"{link.name} {shape.name}: a {shape.kind}; valid: capsule, sphere"
                )
            ends.append(
                pos[:, None] + np.einsum("bij,kj->bki", turned + np.zeros((count, 1, 1)), both)
            )
            radii.append(shape.radius_m)
            links.append(link.name)
    return np.stack(ends, axis=1), np.array(radii), links


def _rotation(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotations `[B, 3, 3]` about the unit vector `axis [3]` by `angle [B]`, Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sin, cos = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + sin * cross + (1 - cos) * (cross @ cross)


def _segment_distance(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Distance `[B]` of the segments from a to b and from c to d, `[B, 3]` each.

    Where the segments' lines come closest within both, or else at an end of one of them: the nearest of
    five candidates is the answer.
    """
    u, v, w = b - a, d - c, a - c
    uu, uv, vv = (np.sum(p * q, axis=1) for p, q in ((u, u), (u, v), (v, v)))
    uw, vw = np.sum(u * w, axis=1), np.sum(v * w, axis=1)
    det = uu * vv - uv * uv
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.nan_to_num(np.clip((uv * vw - vv * uw) / det, 0, 1))
        t = np.nan_to_num(np.clip((uu * vw - uv * uw) / det, 0, 1))
        pairs = [(s, t)]
        pairs += [(e, np.nan_to_num(np.clip((vw + e * uv) / vv, 0, 1))) for e in (0 * s, 0 * s + 1)]
        pairs += [(np.nan_to_num(np.clip((e * uv - uw) / uu, 0, 1)), e) for e in (0 * s, 0 * s + 1)]
    gaps = [np.linalg.norm(w + s[:, None] * u - t[:, None] * v, axis=1) for s, t in pairs]
    return np.min(gaps, axis=0)
