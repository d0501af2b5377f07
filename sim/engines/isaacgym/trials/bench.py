"""What the trials share: a scene laid out, stepped, and compared with MuJoCo's."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_sim.assets.probe import Probe
from screwpush_sim.engines.mujoco_cpu import MujocoCpu
from screwpush_sim.options import MujocoConfig
from screwpush_sim.protocol import Simulator
from screwpush_sim.state import Bodies, SimState, home_state

NUM_ENVS = 4

Joints: TypeAlias = Sequence[float] | np.ndarray
"""Joint positions `[J]`, rad."""


class DiffersError(Exception):
    """The engine did something else than mechanics or the contract say."""


def rest(sim: Simulator, joints_rad: Joints, steps: int) -> None:
    """Steps towards these joints `[J]`."""
    targets = jnp.tile(jnp.array(joints_rad, jnp.float32), (sim.spec.num_envs, 1))
    for _ in range(steps):
        sim.step(targets)


def load(sim: Simulator, state: SimState) -> None:
    """`state` in all scenes."""
    mask = jnp.ones(sim.spec.num_envs, bool)
    sim.write(mask, sim.pack(jax.tree.map(jnp.asarray, state)))


def read(sim: Simulator) -> SimState:
    """What it shows, as numpy arrays of its own."""
    return jax.tree.map(np.array, sim.unpack(sim.views()))


def bodies(sim: Simulator, probe: Probe) -> Bodies:
    """The free bodies that it shows."""
    return read(sim).bodies[probe.group]


def both(
    sim: Simulator, probe: Probe, start: SimState, steps: int, joints_rad: Joints = ()
) -> tuple[SimState, SimState]:
    """The same start in this engine and in MuJoCo, some control steps towards joints later."""
    other = MujocoCpu(probe.scene, sim.spec.num_envs, MujocoConfig())
    try:
        for engine in (sim, other):
            load(engine, start)
            rest(engine, joints_rad if len(joints_rad) else probe.parked_rad, steps)
        return read(sim), read(other)
    finally:
        other.close()


def side_by_side(sim: Simulator, probe: Probe, height_m: float) -> SimState:
    """Level bodies at this height, the robot parked, everything still; float32, host."""
    state = jax.tree.map(np.array, home_state(probe.scene, sim.spec.num_envs))
    state.bodies[probe.group].pos_w[..., 2] = height_m
    return posed(state, probe.parked_rad)


def posed(state: SimState, joints_rad: Joints) -> SimState:
    """`state` with the robot there, still."""
    joints = fill(state.robot.joint_pos, joints_rad)
    return state.with_robot(joint_pos=joints, joint_vel=0 * joints)


def settled(sim: Simulator, probe: Probe) -> SimState:
    """Level bodies that have come to lie on the ground, side by side."""
    load(sim, side_by_side(sim, probe, probe.lying_m))
    rest(sim, probe.parked_rad, 20)
    return read(sim)


def spread(state: SimState, probe: Probe, **values: Any) -> SimState:
    """`state` with these values for every body."""
    group = state.bodies[probe.group]
    changed = {name: fill(getattr(group, name), value) for name, value in values.items()}
    return state.with_bodies(probe.group, **changed)


def fill(like: Any, value: Any) -> Any:
    return np.broadcast_to(np.array(value, np.float32), like.shape).copy()
