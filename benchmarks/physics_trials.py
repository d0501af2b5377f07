"""Small experiments on one bolt, one in each scene, that show what an engine makes of the same scene.

The others of a scene's bolts lie out of the way. All trials begin from bolts that have come to rest in
that engine, and are looked at every `SAMPLE_S`.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contacts import OverlapMeter
from screwpush_jax.tasks.screws.kinematics import TipPose, inverse_kinematics
from screwpush_sim import registry
from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import GROUP, WORK_CENTER_W
from screwpush_sim.protocol import Simulator
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState, home_state

SAMPLE_S = 0.01
SAMPLES, _SETTLE = 150, 100
ROLLS = {"roll 0.2": 0.2, "roll": 0.3, "roll 0.4": 0.4}
"""Speed, m/s, of the trials in which a bolt is sent off across its length."""
TRIALS = ("drop", "tumble", "slide", *ROLLS, "spin", "push", "graze", "drive")
"""In the order of the scenes. drop: level, from 5 cm; tumble: as high, tilted by 45 degrees; slide: at
`PUSH_M_S` along its length; spin: at `SPIN_RAD_S` about the vertical; push: by the rod's end, low;
graze: by the rod at the lowest height that tasks allow; drive: all targets jump by `JUMP_RAD`."""

PUSH_M_S, SPIN_RAD_S, JUMP_RAD = 0.3, 10.0, 0.05
_DROP_M, _PUSH_TIP_M, _GRAZE_TIP_M = 0.05, 0.004, 0.012
_RUN_UP_M, _WAY_M = 0.06, 0.16
_PARKED_TIP_M = 0.35


class Curves(NamedTuple):
    """What one engine made of the trials; `[T, K]` of samples and trials unless said otherwise."""

    time_s: np.ndarray  # [T]
    pos_w: np.ndarray  # [T, K, 3] m, of the bolt's origin
    moved_m: np.ndarray  # on the table from where it began
    turned_rad: np.ndarray  # about the vertical, unwrapped
    speed_m_s: np.ndarray
    spin_rad_s: np.ndarray
    energy_j: np.ndarray  # kinetic and potential, of the bolt
    joint_pos: np.ndarray  # [T, J] rad, of the trial `drive`
    jump_from: np.ndarray  # [J] rad, where its targets jumped from
    overlap_m: dict[str, np.ndarray]  # [T, K] by pair


def run(engine: str, scene: Scene, options: object) -> Curves:
    """All trials at once on a new simulator of the engine.

    Raises:
      ValueError: `SAMPLE_S` is no multiple of the scene's physics step.
    """
    per_sample = round(SAMPLE_S / scene.physics.dt_s)
    if not np.isclose(per_sample * scene.physics.dt_s, SAMPLE_S):
        raise ValueError(f"dt_s {scene.physics.dt_s:g}; valid: a part of {SAMPLE_S:g}")
    physics = dataclasses.replace(scene.physics, decimation=per_sample)
    scene = dataclasses.replace(scene, physics=physics)
    sim = registry.make_simulator(engine, scene, len(TRIALS), options)
    try:
        start, controls = _begin(sim)
        _write(sim, start)
        states = [start]
        for control in controls:
            sim.step(jnp.asarray(control))
            states.append(_read(sim))
    finally:
        sim.close()
    return _curves(scene, states)


def _begin(sim: Simulator) -> tuple[SimState, np.ndarray]:
    """Where the trials begin, and the controls `[T, K, U]` of each."""
    scene = sim.spec.scene
    state = jax.tree.map(np.array, home_state(scene, len(TRIALS)))
    (x, y), bodies = WORK_CENTER_W, state.bodies[GROUP]
    bodies.pos_w[:, :, :2] = [[x, y], [x, y + 0.28], [x, y - 0.28]]
    joints = _joints(np.array([[x, y, _PARKED_TIP_M]]))[0]
    state.robot.joint_pos[:] = joints
    _write(sim, state)
    for _ in range(_SETTLE):
        sim.step(jnp.asarray(state.robot.joint_pos))
    return _set_up(_read(sim), joints)


def _set_up(rest: SimState, parked: np.ndarray) -> tuple[SimState, np.ndarray]:
    bodies, joint_pos = rest.bodies[GROUP], rest.robot.joint_pos
    for array in (bodies.linvel_w, bodies.angvel_w, rest.robot.joint_vel):
        array[:] = 0.0
    joint_pos[:] = parked
    controls = np.tile(parked, (SAMPLES, len(TRIALS), 1))
    bolts = {name: (i, 0) for i, name in enumerate(TRIALS)}
    for name in ("drop", "tumble"):
        bodies.pos_w[(*bolts[name], 2)] += _DROP_M
    bodies.quat_w[bolts["tumble"]] = [np.cos(np.pi / 8), 0.0, np.sin(np.pi / 8), 0.0]
    bodies.linvel_w[bolts["slide"]] = [PUSH_M_S, 0.0, 0.0]
    for name, speed in ROLLS.items():
        bodies.linvel_w[bolts[name]] = [0.0, speed, 0.0]
    bodies.angvel_w[bolts["spin"]] = [0.0, 0.0, SPIN_RAD_S]
    for name, height in (("push", _PUSH_TIP_M), ("graze", _GRAZE_TIP_M)):
        path = _joints(_way(height))
        joint_pos[TRIALS.index(name)], controls[:, TRIALS.index(name)] = path[0], path[1:]
    controls[:, TRIALS.index("drive")] += np.float32(JUMP_RAD)
    return rest, controls


def _way(height_m: float) -> np.ndarray:
    """Places of the tip `[T + 1, 3]`: across the bolt at `PUSH_M_S`, then it stays."""
    (x, y), number = WORK_CENTER_W, np.arange(SAMPLES + 1)
    gone = np.minimum(PUSH_M_S * SAMPLE_S * number, _WAY_M)
    return np.stack([np.full(len(gone), x), y - _RUN_UP_M + gone, np.full(len(gone), height_m)], -1)


def _joints(tips_w: np.ndarray) -> np.ndarray:
    """Joint positions `[T, J]`, rad, for tips `[T, 3]` with the rod straight down."""
    arm, down = elfin15.arm_spec(), jnp.diag(jnp.array([1.0, -1.0, -1.0]))
    near = jnp.array(arm.home_rad)

    def solve(tip_w: jax.Array) -> jax.Array:
        return inverse_kinematics(arm, TipPose(tip_w, down), near)

    return np.asarray(jax.vmap(solve)(jnp.asarray(tips_w, jnp.float32)))


def _curves(scene: Scene, states: list[SimState]) -> Curves:
    meter = OverlapMeter(scene)
    overlaps = [meter.deepest_m(state) for state in states]
    pos, quat, linvel, angvel = (
        np.stack([getattr(state.bodies[GROUP], name)[:, 0] for state in states]).astype(np.float64)
        for name in ("pos_w", "quat_w", "linvel_w", "angvel_w")
    )
    axis = _x_axis(quat)
    drive = TRIALS.index("drive")
    joints = np.stack([state.robot.joint_pos[drive] for state in states])
    return Curves(
        time_s=SAMPLE_S * np.arange(len(states)),
        pos_w=pos,
        moved_m=np.linalg.norm(pos[..., :2] - pos[:1, :, :2], axis=-1),
        turned_rad=np.unwrap(np.arctan2(axis[..., 1], axis[..., 0]), axis=0),
        speed_m_s=np.linalg.norm(linvel, axis=-1),
        spin_rad_s=np.linalg.norm(angvel, axis=-1),
        energy_j=_energy_j(scene, pos, axis, linvel, angvel),
        joint_pos=joints,
        jump_from=joints[0],
        overlap_m={pair: np.stack([one[pair] for one in overlaps]) for pair in overlaps[0]},
    )


def _x_axis(quat: np.ndarray) -> np.ndarray:
    w, x, y, z = np.moveaxis(quat / np.linalg.norm(quat, axis=-1, keepdims=True), -1, 0)
    return np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], -1)


def _energy_j(scene: Scene, pos, axis, linvel, angvel) -> np.ndarray:
    """Kinetic energy about the centre of mass and of it, and weight times its height, `[T, K]`."""
    inertia = scene.groups[0].inertia
    assert inertia is not None  # a bolt's is given
    com, (axial, across, _) = inertia.com_m[0] * axis, inertia.moments_kgm2
    velocity = linvel + np.cross(angvel, com)
    along = np.sum(angvel * axis, -1) ** 2
    turning = axial * along + across * (np.sum(angvel**2, -1) - along)
    height = pos[..., 2] + com[..., 2]
    moving = inertia.mass_kg * np.sum(velocity**2, -1)
    return 0.5 * (moving + turning) - inertia.mass_kg * scene.physics.gravity_m_s2[2] * height


def _write(sim: Simulator, state: SimState) -> None:
    everywhere = jnp.ones(len(TRIALS), bool)
    sim.write(everywhere, sim.pack(jax.tree.map(jnp.asarray, state)))


def _read(sim: Simulator) -> SimState:
    return jax.tree.map(np.array, sim.unpack(sim.views()))
