"""Jumbles: how screws are dropped, and which of the settled ones are start states.

What the configuration says holds for up to three screws. A jumble of S > 3 is as tight when each
screw has as much room: radius and spread grow with sqrt(S / 3). The chance that all of them rest
falls with each screw, so they may creep S / 3 times as fast, which is no more than 0.8 mm/s.
"""

import jax
import numpy as np

from screwpush_jax.tasks.screws import parking
from screwpush_jax.tasks.screws.config import ScrewsConfig
from screwpush_sim.state import Bodies, RobotState, SimState

_LOWEST_DROP_M, _LAYER_M = 0.015, 0.025
"""Screws fall from heights this far apart, so that none begins inside another."""


def drop(
    config: ScrewsConfig,
    parked_rad: np.ndarray,
    count: int,
    screws: int,
    rng: np.random.Generator,
    present: int | None = None,
) -> SimState:
    """Screws in the air above a common point, `[count, ...]`; the arm out of the way.

    All of them, or the first `present` ones, and the others parked.
    """
    present = screws if present is None else present
    spread = room_factor(present) * config.drop_spread_m
    room = max(room_factor(present) * config.jumble_radius_m - spread, 0.0)
    point = np.array(config.area_center_m) + rng.uniform(-room, room, (count, 1, 2))
    pos = np.empty((count, screws, 3))
    pos[:] = np.append(parking.spots(screws), np.full((screws, 1), _LOWEST_DROP_M), axis=1)
    pos[:, :present, :2] = point + rng.uniform(-spread, spread, (count, present, 2))
    layers = np.tile(np.arange(present), (count, 1))
    pos[:, :present, 2] = _LOWEST_DROP_M + _LAYER_M * rng.permuted(layers, axis=1)
    # a turn about z after a roll about the shank
    yaw, roll = rng.uniform(-np.pi, np.pi, (2, count, screws)) / 2
    cos_yaw, sin_yaw, cos_roll, sin_roll = np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    quat = [cos_yaw * cos_roll, cos_yaw * sin_roll, sin_yaw * sin_roll, sin_yaw * cos_roll]
    joints, still = np.tile(parked_rad, (count, 1)), np.zeros((count, screws, 3))
    leaves = joints, np.zeros_like(joints), pos, np.stack(quat, axis=-1), still, still
    placed = jax.device_put([np.asarray(leaf, np.float32) for leaf in leaves])
    return SimState(RobotState(*placed[:2]), {"screws": Bodies(*placed[2:])}, {})


def rules(config: ScrewsConfig, state: SimState) -> dict[str, np.ndarray]:
    """Where a settled state (host arrays `[N, ...]`) keeps each rule that any task asks for, `[N]`
    bool, by the field that says it."""
    pos = np.asarray(state.bodies["screws"].pos_w)
    there = parking.present(config, pos)
    number = np.sum(there, axis=1, keepdims=True)
    wider, slacker = room_factors(pos.shape[1])[number], np.maximum(number / 3, 1.0)

    def kept(by_screw: np.ndarray) -> np.ndarray:
        return np.all(by_screw | ~there, axis=1)

    with np.errstate(invalid="ignore"):
        speed = np.linalg.norm(state.bodies["screws"].linvel_w, axis=-1)
        offset = np.linalg.norm(pos[..., :2] - np.array(config.area_center_m), axis=-1)
        low = (pos[..., 2] < config.jumble_height_m) & (pos[..., 2] > 0)
        return {
            "jumble_speed_m_s": kept(speed < slacker * config.jumble_speed_m_s),
            "jumble_radius_m": kept(offset < wider * config.jumble_radius_m),
            "jumble_height_m": kept(low),
        }


def turned(
    config: ScrewsConfig, state: SimState, rows: np.ndarray, rng: np.random.Generator
) -> SimState:
    """The jumbles `rows [N]` of `state`, each turned about the area's centre by an angle drawn.

    The table looks the same from every side, so a turned jumble lies as still as before. Parked screws
    stay where they are.
    """
    state = jax.tree.map(lambda leaf: np.asarray(leaf)[rows], state)
    angle = rng.uniform(-np.pi, np.pi, (len(rows), 1))
    cos, sin = np.cos(angle), np.sin(angle)

    def turn(vector, origin=(0.0, 0.0, 0.0)) -> np.ndarray:
        x, y, z = np.moveaxis(np.asarray(vector, np.float64) - origin, -1, 0)
        return (np.stack([cos * x - sin * y, sin * x + cos * y, z], -1) + origin).astype(np.float32)

    half_cos, half_sin = np.cos(angle / 2), np.sin(angle / 2)
    screws = state.bodies["screws"]
    there = parking.present(config, np.asarray(screws.pos_w))[..., None]
    w, x, y, z = np.moveaxis(np.asarray(screws.quat_w, np.float64), -1, 0)
    quat = [
        half_cos * w - half_sin * z,
        half_cos * x - half_sin * y,
        half_cos * y + half_sin * x,
        half_cos * z + half_sin * w,
    ]
    return state.with_bodies(
        "screws",
        pos_w=np.where(there, turn(screws.pos_w, (*config.area_center_m, 0.0)), screws.pos_w),
        quat_w=np.stack(quat, axis=-1).astype(np.float32),
        linvel_w=turn(screws.linvel_w),
        angvel_w=turn(screws.angvel_w),
    )


def room_factor(screws: int) -> float:
    """By how much a jumble of so many screws is wider than one of three."""
    return max(screws / 3, 1.0) ** 0.5


def room_factors(screws: int) -> np.ndarray:
    """`room_factor` of 0 to `screws`."""
    return np.array([room_factor(number) for number in range(screws + 1)])
