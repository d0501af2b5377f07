"""Small experiments that tell whether an engine means what the contract says, against MuJoCo.

Each takes the simulator of `NUM_ENVS` scenes, returns what it saw, and raises `DiffersError` with
what is probably wrong. Tolerances leave room for another contact model, not for another frame.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.assets.arm_with_bolts import GROUP, SceneConfig, make_scene
from sim.assets.bolt import Bolt
from sim.engines.mujoco_cpu import MujocoCpu
from sim.options import MujocoConfig
from sim.protocol import Simulator
from sim.state import SimState, zero_state

NUM_ENVS = 4
PARKED_RAD = (0.0, 0.3, -1.3, 0.0, -0.5, 0.0)
"""The arm high above the table."""
_SCENE = make_scene(SceneConfig(physics_dt_s=0.01, decimation=5))


class DiffersError(Exception):
    """The engine did something else than mechanics or the contract say."""


def rest(sim: Simulator, steps: int) -> None:
    """Steps towards the parked arm."""
    targets = jnp.tile(jnp.array(PARKED_RAD, jnp.float32), (sim.spec.num_envs, 1))
    for _ in range(steps):
        sim.step(targets)


def free_flight(sim: Simulator) -> str:
    """Drops a screw, tilted, thrown and spinning: positions, xyzw and world axes must agree."""
    start = _screws(height_m=0.5)
    half = 0.6
    quat = [np.cos(half), 0.0, np.sin(half), 0.0]
    spin, throw = [1.0, 2.0, 4.0], [0.3, -0.2, 0.5]
    start = _with(start, quat_w=quat, angvel_w=spin, linvel_w=throw)
    got, want = (state.bodies[GROUP] for state in _both(sim, start, steps=3))
    limits = {
        "pos_w": (0.01, "positions are not relative to the environment, or up is not z"),
        "quat_w": (0.05, "quaternions are not xyzw"),
        "linvel_w": (0.15, "linear velocity is not the centre of mass's, world axes"),
        "angvel_w": (0.3, "angular velocity is not along world axes"),
    }
    seen = []
    for name, (limit, guess) in limits.items():
        error = _difference(getattr(got, name), getattr(want, name), name)
        seen.append(f"{name} {error:.4f}")
        if not error <= limit:
            raise DiffersError(
                f"{name} differs from MuJoCo by {error:.4f} (limit {limit}): {guess}"
            )
    return "after 0.15 s of flight the largest differences are " + ", ".join(seen)


def spin(sim: Simulator) -> str:
    """A screw that spins about its shank as fast as one that rolls before the rod goes on so."""
    start, fast = _screws(height_m=0.5), 94.0
    _load(sim, _with(start, angvel_w=[fast, 0, 0]))
    rest(sim, 2)
    slowest = _read(sim).bodies[GROUP].angvel_w[..., 0].min()
    text = f"a spin of {fast:.0f} rad/s is {slowest:.1f} rad/s after 0.1 s"
    if not abs(slowest - fast) < 2.0:
        raise DiffersError(f"{text}: free bodies are slowed down, rolling bolts will slide")
    return text


def push(sim: Simulator) -> str:
    """A bolt nudged sideways stops within 5 cm, as in MuJoCo: the hexagon of the head holds it."""
    _load(sim, _screws(height_m=0.01))
    rest(sim, 20)
    start = _read(sim)
    nudged = _with(start, linvel_w=[0.0, 0.3, 0.0])
    got, want = _both(sim, nudged, steps=16)
    moved, should = (
        np.linalg.norm(state.bodies[GROUP].pos_w - start.bodies[GROUP].pos_w, axis=-1).max()
        for state in (got, want)
    )
    speed = np.linalg.norm(got.bodies[GROUP].linvel_w, axis=-1).max()
    text = f"pushed at 0.3 m/s it moved {1e3 * moved:.0f} mm (MuJoCo {1e3 * should:.0f} mm)"
    if not (0.005 < moved < 0.05 and speed < 0.05):
        raise DiffersError(
            f"{text} and goes at {speed:.2f} m/s: the head's mesh or the friction is not as given"
        )
    return text


def stand(sim: Simulator) -> str:
    """Put upright on its tail, a bolt is as long as the capsule and the head say."""
    length = Bolt().length_m
    start = _screws(height_m=length / 2 + 0.0005)
    upright = [np.sqrt(0.5), 0.0, -np.sqrt(0.5), 0.0]  # the head, at +x, points up
    _load(sim, _with(start, quat_w=upright))
    rest(sim, 1)
    lowest = _read(sim).bodies[GROUP].pos_w[..., 2].min()
    if not length / 2 - 0.003 < lowest < length / 2 + 0.003:
        raise DiffersError(
            f"upright its middle is at {lowest:.4f} m, not {length / 2:.4f}: capsules made of"
            " cylinders have another length than assumed (sim/builders/urdf.py)"
        )
    return f"upright its middle stays at {lowest:.4f} m"


def reset_one(sim: Simulator) -> str:
    """A scene that is written anew leaves its neighbours alone, and the arm is where it was put."""
    _load(sim, _screws(height_m=0.01))
    rest(sim, 10)
    before = _read(sim)
    moved = _fill(before.robot.joint_pos, [0.2, 0.3, -1.3, 0.1, -0.5, 0.0])
    there = before.with_robot(joint_pos=moved, joint_vel=0 * moved)
    mask = np.arange(sim.spec.num_envs) == 1
    sim.write(jnp.asarray(mask), sim.pack(jax.tree.map(jnp.asarray, there)))
    sim.step(jnp.asarray(there.robot.joint_pos))
    after = _read(sim)
    others = np.abs(after.bodies[GROUP].pos_w - before.bodies[GROUP].pos_w)[~mask].max()
    arm = np.abs(after.robot.joint_pos - there.robot.joint_pos)[mask].max()
    if not (others < 1e-3 and arm < 1e-2):
        raise DiffersError(
            f"neighbours moved by {others:.4f} m, the arm is {arm:.4f} rad off: indexed writes reach"
            " other actors than they name"
        )
    return f"neighbours moved by {1e3 * others:.3f} mm, the arm is {arm:.5f} rad off"


def _both(sim: Simulator, start: SimState, steps: int) -> tuple[SimState, SimState]:
    """The same start in this engine and in MuJoCo, some control steps later."""
    other = MujocoCpu(_SCENE, sim.spec.num_envs, MujocoConfig())
    try:
        for engine in (sim, other):
            _load(engine, start)
            rest(engine, steps)
        return _read(sim), _read(other)
    finally:
        other.close()


def _load(sim: Simulator, state: SimState) -> None:
    mask = jnp.ones(sim.spec.num_envs, bool)
    sim.write(mask, sim.pack(jax.tree.map(jnp.asarray, state)))


def _read(sim: Simulator) -> SimState:
    return jax.tree.map(np.array, sim.unpack(sim.views()))


def _screws(height_m: float) -> SimState:
    """Level screws side by side at this height, arm parked, everything still; float32, host."""
    state = zero_state(_SCENE, NUM_ENVS)
    pos = np.zeros(state.bodies[GROUP].pos_w.shape, np.float32)
    pos[..., 0], pos[..., 2] = -0.75, height_m
    pos[..., 1] = 0.12 * (np.arange(pos.shape[1]) - 1)
    joints = _fill(state.robot.joint_pos, PARKED_RAD)
    return jax.tree.map(np.array, _with(state.with_robot(joint_pos=joints), pos_w=pos))


def _with(state: SimState, **values: Any) -> SimState:
    """`state` with these values for every screw."""
    group = state.bodies[GROUP]
    changed = {name: _fill(getattr(group, name), value) for name, value in values.items()}
    return state.with_bodies(GROUP, **changed)


def _fill(like: Any, value: Any) -> Any:
    return np.broadcast_to(np.array(value, np.float32), like.shape).copy()


def _difference(got, want, name: str) -> float:
    if name == "quat_w":  # both signs are the same turn
        got = got * np.sign((got * want).sum(-1, keepdims=True))
    return float(np.abs(got - want).max())
