"""The bank of start states: screws dropped in the simulator itself, settled, and sifted."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.kinematics import TipPose, forward_kinematics, inverse_kinematics
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.task import Bank, BankError, Jit
from sim.protocol import ArmSpec, SimState, Simulator

_PARK_HEIGHT_M = 0.30
"""Tip height while screws fall: clear of anything."""
_LOWEST_DROP_M, _LAYER_M = 0.015, 0.025
"""Screws fall from heights this far apart, so that none begins inside another."""
_MAX_ROUNDS = 200


def build_bank(config: SeparateConfig, sim: Simulator, size: int, seed: int, jit: Jit) -> Bank:
    """Drops, settles and sifts until `size` jumbles are found; equal seeds, equal drops.

    `jit` compiles the pure functions among its steps.

    Raises:
      BankError: hardly any drop is accepted; the message names the fields to relax.
    """
    rng = np.random.default_rng(seed)
    rod_down = jit(_rod_down(sim.spec.arm))
    pack, unpack = jit(sim.pack), jit(sim.unpack)
    above = np.array([*config.area_center_m, _PARK_HEIGHT_M], np.float32)
    parked = np.asarray(rod_down(np.tile(above, (size, 1)))[0])[0]  # the shape of the call below
    everywhere = jax.device_put(np.ones(sim.spec.num_envs, bool))
    kept: list[SimState] = []
    found = tried = 0
    while found < size:
        dropped = drop(config, parked, sim.spec.num_envs, sim.spec.num_screws, rng)
        sim.write(everywhere, pack(dropped))
        for _ in range(round(config.settle_s / sim.spec.control_dt_s)):
            sim.step(dropped.joint_pos_rad)
        state = jax.tree.map(np.array, unpack(sim.views()))
        good = np.flatnonzero(accept(config, state))
        kept.append(jax.tree.map(lambda leaf, rows=good: leaf[rows], state))
        found, tried = found + len(good), tried + sim.spec.num_envs
        if found < size and tried >= _MAX_ROUNDS * max(size, sim.spec.num_envs):
            raise BankError(
                f"only {found} of {tried} drops were accepted and {size} are wanted; relax"
                " separate.jumble_* or drop_spread_m"
            )
    screws = jax.device_put(jax.tree.map(lambda *leaves: np.concatenate(leaves)[:size], *kept))
    starts, tips = rod_down(start_tips(config, size, rng))
    return Bank(state=screws, joint_starts_rad=starts, tips=tips)


def accept(config: SeparateConfig, state: SimState) -> np.ndarray:
    """Which of the settled states (host arrays `[N, ...]`) are jumbles to start from, `[N]`."""
    pos, distance_unit = np.asarray(state.screw_pos_w), config.separation_m
    first, second = np.triu_indices(pos.shape[1], k=1)
    with np.errstate(invalid="ignore"):
        distances = np.linalg.norm(pos[:, first] - pos[:, second], axis=-1)
        speed = np.linalg.norm(state.screw_linvel_w, axis=-1)
        offset = np.linalg.norm(pos[..., :2] - np.array(config.area_center_m), axis=-1)
        return (
            (speed < config.jumble_speed_m_s).all(1)
            & (offset < config.jumble_radius_m).all(1)
            & (pos[..., 2] < config.jumble_height_m).all(1)
            & (pos[..., 2] > 0).all(1)
            & (distances < config.jumble_all_pairs * distance_unit).all(1)
            & (distances.min(1) < config.jumble_closest_pair * distance_unit)
        )


def start_tips(config: SeparateConfig, size: int, rng: np.random.Generator) -> np.ndarray:
    """Where episodes begin with the tip, `[size, 3]` m."""
    center, half = np.array(config.area_center_m), config.start_tip_half_m
    low, high = (
        np.append(center + sign * half, height)
        for sign, height in zip((-1, 1), config.start_tip_height_m, strict=True)
    )
    return rng.uniform(low, high, (size, 3)).astype(np.float32)


def drop(
    config: SeparateConfig,
    parked_rad: np.ndarray,
    count: int,
    screws: int,
    rng: np.random.Generator,
) -> SimState:
    """Screws in the air above a common point, `[count, ...]`; the arm out of the way."""
    spread = config.drop_spread_m
    room = max(config.jumble_radius_m - spread, 0.0)
    point = np.array(config.area_center_m) + rng.uniform(-room, room, (count, 1, 2))
    pos = np.empty((count, screws, 3))
    pos[..., :2] = point + rng.uniform(-spread, spread, (count, screws, 2))
    layers = np.tile(np.arange(screws), (count, 1))
    pos[..., 2] = _LOWEST_DROP_M + _LAYER_M * rng.permuted(layers, axis=1)
    # a turn about z after a roll about the shank
    yaw, roll = rng.uniform(-np.pi, np.pi, (2, count, screws)) / 2
    cos_yaw, sin_yaw, cos_roll, sin_roll = np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    quat = [cos_yaw * cos_roll, cos_yaw * sin_roll, sin_yaw * sin_roll, sin_yaw * cos_roll]
    joints, still = np.tile(parked_rad, (count, 1)), np.zeros((count, screws, 3))
    arrays = joints, np.zeros_like(joints), pos, np.stack(quat, axis=-1), still, still
    return SimState(*jax.device_put([np.asarray(array, np.float32) for array in arrays]))


@functools.cache  # one function for an arm, so that the next bank's is not compiled anew
def _rod_down(arm: ArmSpec) -> Callable[[jax.Array], tuple[jax.Array, TipPose]]:
    """Joints `[n, J]` for tips at `[n, 3]` (m), the tool turned as at home, and their poses."""

    def solve(tip_pos_w: jax.Array) -> tuple[jax.Array, TipPose]:
        home = jnp.array(arm.home_rad, jnp.float32)
        down = jnp.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]], jnp.float32)
        joints = jax.vmap(lambda pos: inverse_kinematics(arm, TipPose(pos, down), home))(tip_pos_w)
        return joints, jax.vmap(lambda q: forward_kinematics(arm, q))(joints)

    return solve
