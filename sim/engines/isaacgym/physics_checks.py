"""Small experiments that tell whether an engine means what the contract says, against MuJoCo.

Each takes a simulator of the probe's scene, returns what it saw, and raises `DiffersError` with
what is probably wrong. Tolerances leave room for another contact model, not for another frame.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_sim.assets.probe import Probe
from screwpush_sim.engines.mujoco_cpu import MujocoCpu
from screwpush_sim.options import MujocoConfig
from screwpush_sim.protocol import Simulator
from screwpush_sim.state import SimState, home_state

NUM_ENVS = 4


class DiffersError(Exception):
    """The engine did something else than mechanics or the contract say."""


def rest(sim: Simulator, joints_rad: Sequence[float], steps: int) -> None:
    """Steps towards these joints `[J]`."""
    targets = jnp.tile(jnp.array(joints_rad, jnp.float32), (sim.spec.num_envs, 1))
    for _ in range(steps):
        sim.step(targets)


def free_flight(sim: Simulator, probe: Probe) -> str:
    """Drops a body, tilted, thrown and spinning: positions, xyzw and world axes must agree."""
    half = 0.6
    quat = [np.cos(half), 0.0, np.sin(half), 0.0]
    spin, throw = [1.0, 2.0, 4.0], [0.3, -0.2, 0.5]
    start = _with(_side_by_side(sim, probe, probe.aloft_m), probe, quat_w=quat)
    start = _with(start, probe, angvel_w=spin, linvel_w=throw)
    got, want = (state.bodies[probe.group] for state in _both(sim, probe, start, steps=3))
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
    time_s = 3 * sim.spec.control_dt_s
    return f"after {time_s:.2f} s of flight the largest differences are " + ", ".join(seen)


def spin(sim: Simulator, probe: Probe) -> str:
    """A body that spins about its length as fast as one that rolls goes on so."""
    start, fast = _side_by_side(sim, probe, probe.aloft_m), probe.spin_rad_s
    _load(sim, _with(start, probe, angvel_w=[fast, 0, 0]))
    rest(sim, probe.parked_rad, 2)
    slowest = _read(sim).bodies[probe.group].angvel_w[..., 0].min()
    time_s = 2 * sim.spec.control_dt_s
    text = f"a spin of {fast:.0f} rad/s is {slowest:.1f} rad/s after {time_s:.1f} s"
    if not abs(slowest - fast) < 2.0:
        raise DiffersError(f"{text}: free bodies are slowed down, what rolls will slide")
    return text


def push(sim: Simulator, probe: Probe) -> str:
    """A body that is nudged sideways stops as soon as the probe says, and as in MuJoCo."""
    _load(sim, _side_by_side(sim, probe, probe.lying_m))
    rest(sim, probe.parked_rad, 20)
    start = _read(sim)
    nudged = _with(start, probe, linvel_w=[0.0, probe.push_m_s, 0.0])
    got, want = _both(sim, probe, nudged, steps=round(probe.push_s / sim.spec.control_dt_s))
    begin = start.bodies[probe.group].pos_w
    moved, should = (
        np.linalg.norm(state.bodies[probe.group].pos_w - begin, axis=-1).max()
        for state in (got, want)
    )
    speed = np.linalg.norm(got.bodies[probe.group].linvel_w, axis=-1).max()
    text = (
        f"pushed at {probe.push_m_s:g} m/s it moved {1e3 * moved:.0f} mm"
        f" (MuJoCo {1e3 * should:.0f} mm)"
    )
    least, most = probe.moved_m
    if not (least < moved < most and speed < probe.rest_speed_m_s):
        raise DiffersError(
            f"{text} and goes at {speed:.2f} m/s: {probe.stopped_by} or the friction is not as given"
        )
    return text


def stand(sim: Simulator, probe: Probe) -> str:
    """Put upright, a body is as long as its shapes say."""
    half = probe.length_m / 2
    start = _side_by_side(sim, probe, half + 0.0005)
    _load(sim, _with(start, probe, quat_w=probe.upright_wxyz))
    rest(sim, probe.parked_rad, 1)
    lowest = _read(sim).bodies[probe.group].pos_w[..., 2].min()
    if not half - 0.003 < lowest < half + 0.003:
        raise DiffersError(
            f"upright its middle is at {lowest:.4f} m, not {half:.4f}: capsules made of"
            " cylinders have another length than assumed (sim/builders/urdf.py)"
        )
    return f"upright its middle stays at {lowest:.4f} m"


def reset_one(sim: Simulator, probe: Probe) -> str:
    """A scene that is written leaves its neighbours alone, and the robot is where it was put."""
    _load(sim, _side_by_side(sim, probe, probe.lying_m))
    rest(sim, probe.parked_rad, 10)
    before = _read(sim)
    moved = _fill(before.robot.joint_pos, probe.other_rad)
    there = before.with_robot(joint_pos=moved, joint_vel=0 * moved)
    mask = np.arange(sim.spec.num_envs) == 1
    sim.write(jnp.asarray(mask), sim.pack(jax.tree.map(jnp.asarray, there)))
    sim.step(jnp.asarray(there.robot.joint_pos))
    after = _read(sim)
    others = np.abs(after.bodies[probe.group].pos_w - before.bodies[probe.group].pos_w)[~mask].max()
    robot = np.abs(after.robot.joint_pos - there.robot.joint_pos)[mask].max()
    if not (others < 1e-3 and robot < 1e-2):
        raise DiffersError(
            f"neighbours moved by {others:.4f} m, the robot is {robot:.4f} rad off: indexed writes"
            " reach other actors than they name"
        )
    return f"neighbours moved by {1e3 * others:.3f} mm, the robot is {robot:.5f} rad off"


def _both(sim: Simulator, probe: Probe, start: SimState, steps: int) -> tuple[SimState, SimState]:
    """The same start in this engine and in MuJoCo, some control steps later."""
    other = MujocoCpu(probe.scene, sim.spec.num_envs, MujocoConfig())
    try:
        for engine in (sim, other):
            _load(engine, start)
            rest(engine, probe.parked_rad, steps)
        return _read(sim), _read(other)
    finally:
        other.close()


def _load(sim: Simulator, state: SimState) -> None:
    mask = jnp.ones(sim.spec.num_envs, bool)
    sim.write(mask, sim.pack(jax.tree.map(jnp.asarray, state)))


def _read(sim: Simulator) -> SimState:
    return jax.tree.map(np.array, sim.unpack(sim.views()))


def _side_by_side(sim: Simulator, probe: Probe, height_m: float) -> SimState:
    """Level bodies at this height, the robot parked, everything still; float32, host."""
    state = jax.tree.map(np.array, home_state(probe.scene, sim.spec.num_envs))
    state.bodies[probe.group].pos_w[..., 2] = height_m
    return state.with_robot(joint_pos=_fill(state.robot.joint_pos, probe.parked_rad))


def _with(state: SimState, probe: Probe, **values: Any) -> SimState:
    """`state` with these values for every body."""
    group = state.bodies[probe.group]
    changed = {name: _fill(getattr(group, name), value) for name, value in values.items()}
    return state.with_bodies(probe.group, **changed)


def _fill(like: Any, value: Any) -> Any:
    return np.broadcast_to(np.array(value, np.float32), like.shape).copy()


def _difference(got, want, name: str) -> float:
    if name == "quat_w":  # both signs are the same turn
        got = got * np.sign((got * want).sum(-1, keepdims=True))
    return float(np.abs(got - want).max())
