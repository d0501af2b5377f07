"""The bank of start states: screws dropped in the simulator itself, settled, and sifted."""

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.kinematics import TipPose, forward_kinematics, inverse_kinematics
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.task import Bank
from sim.protocol import ArmSpec, Simulator, SimState

_PARK_HEIGHT_M = 0.30
"""Tip height while screws fall: clear of anything."""
_MAX_ROUNDS = 200


class BankError(Exception):
    """Too few drops became jumbles that the configuration accepts."""


def build_bank(config: SeparateConfig, sim: Simulator, size: int, seed: int) -> Bank:
    """Drops, settles and sifts until `size` jumbles are found; equal seeds, equal drops.

    Raises:
      BankError: hardly any drop is accepted; the message names the fields to relax.
    """
    rng = np.random.default_rng(seed)
    kept: list[SimState] = []
    found = tried = 0
    while found < size:
        state = _settle(config, sim, _drop(config, sim, rng))
        good = np.flatnonzero(accept(config, state))
        kept.append(jax.tree.map(lambda leaf, rows=good: leaf[rows], state))
        found, tried = found + len(good), tried + sim.spec.num_envs
        if found < size and tried >= _MAX_ROUNDS * max(size, sim.spec.num_envs):
            raise BankError(
                f"only {found} of {tried} drops were accepted and {size} are wanted; relax"
                " separate.jumble_* or drop_spread_m"
            )
    screws = jax.tree.map(lambda *leaves: jnp.asarray(np.concatenate(leaves)[:size]), *kept)
    starts = start_poses(config, sim.spec.arm, size, rng)
    tips = jax.vmap(lambda q: forward_kinematics(sim.spec.arm, q))(starts)
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


def start_poses(
    config: SeparateConfig, arm: ArmSpec, size: int, rng: np.random.Generator
) -> jax.Array:
    """Joint positions `[size, J]` with the rod straight down above the middle of the area."""
    center, half = np.array(config.area_center_m), config.start_tip_half_m
    low, high = (
        np.append(center + sign * half, height)
        for sign, height in zip((-1, 1), config.start_tip_height_m, strict=True)
    )
    return _rod_down(arm, rng.uniform(low, high, (size, 3)))


def _rod_down(arm: ArmSpec, tip_pos_w: np.ndarray) -> jax.Array:
    """Joint positions `[n, J]` for tips at `tip_pos_w [n, 3]`, the tool turned as at home."""
    home = jnp.array(arm.home_rad, jnp.float32)
    down = jnp.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]], jnp.float32)
    solve = jax.vmap(lambda pos: inverse_kinematics(arm, TipPose(pos, down), home))
    return solve(jnp.asarray(tip_pos_w, jnp.float32))


def _drop(config: SeparateConfig, sim: Simulator, rng: np.random.Generator) -> SimState:
    """Screws in the air above a common point, the arm parked out of their way."""
    count, screws = sim.spec.num_envs, sim.spec.num_screws
    center = np.append(config.area_center_m, _PARK_HEIGHT_M)
    joints = jnp.tile(_rod_down(sim.spec.arm, center[None]), (count, 1))
    room = max(config.jumble_radius_m - config.drop_spread_m, 0.0)
    point = center[:2] + rng.uniform(-room, room, (count, 1, 2))
    spread = config.drop_spread_m
    pos = np.empty((count, screws, 3))
    pos[..., :2] = point + rng.uniform(-spread, spread, (count, screws, 2))
    pos[..., 2] = 0.015 + 0.025 * rng.permuted(np.tile(np.arange(screws), (count, 1)), axis=1)
    yaw, roll = rng.uniform(-np.pi, np.pi, (2, count, screws))
    quat = np.stack(
        [
            np.cos(yaw / 2) * np.cos(roll / 2),
            np.cos(yaw / 2) * np.sin(roll / 2),
            np.sin(yaw / 2) * np.sin(roll / 2),
            np.sin(yaw / 2) * np.cos(roll / 2),
        ],
        axis=-1,
    )
    still = jnp.zeros((count, screws, 3))
    return SimState(
        joint_pos_rad=joints,
        joint_vel=jnp.zeros_like(joints),
        screw_pos_w=jnp.asarray(pos, jnp.float32),
        screw_quat_w=jnp.asarray(quat, jnp.float32),
        screw_linvel_w=still,
        screw_angvel_w=still,
    )


def _settle(config: SeparateConfig, sim: Simulator, state: SimState) -> SimState:
    """The state after `settle_s`, as host arrays."""
    sim.write(jnp.ones(sim.spec.num_envs, bool), sim.pack(state))
    for _ in range(round(config.settle_s / sim.spec.control_dt_s)):
        sim.step(state.joint_pos_rad)
    return jax.tree.map(np.array, sim.unpack(sim.views()))
