"""Trials of the robot: its drives, what it meets, and writing it."""

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_sim.assets.probe import Probe
from screwpush_sim.engines.isaacgym.trials import bench
from screwpush_sim.engines.isaacgym.trials.bench import DiffersError
from screwpush_sim.protocol import Simulator

_LAG = {1: 0.2, 2: 0.1, 20: 0.02}
"""By control steps under way: how far a joint may be from where MuJoCo has it, as a share of the way."""
_APART_M = 0.03
"""Between bodies that do not touch each other, level and side by side."""


def drives(sim: Simulator, probe: Probe) -> str:
    """Told to go a little way, every joint goes as it does in MuJoCo, and arrives."""
    start = bench.side_by_side(sim, probe, probe.lying_m)
    way = np.subtract(probe.near_rad, probe.parked_rad)
    seen = []
    for steps, limit in _LAG.items():
        got, want = bench.both(sim, probe, start, steps, probe.near_rad)
        ends = [np.subtract(state.robot.joint_pos, probe.parked_rad) / way for state in (got, want)]
        error = np.abs(ends[0] - ends[1]).max(axis=0)
        seen.append(f"{100 * error.max():.1f} %")
        if not error.max() < limit:
            joint = int(np.argmax(np.nan_to_num(error, nan=np.inf)))
            went, should = (100 * end[:, joint].mean() for end in ends)
            raise DiffersError(
                f"{steps} control steps after its target moved, {probe.scene.robot.joints[joint].name}"
                f" has gone {went:.0f} % of the way (MuJoCo {should:.0f} %): its drive is dead, or not"
                " as strong as given"
            )
    times = ", ".join(map(str, _LAG))
    return f"{times} control steps under way, joints differ from MuJoCo by {', '.join(seen)} of the way"


def sweep(sim: Simulator, probe: Probe) -> str:
    """The tool, swept across a body, takes it along and leaves the others."""
    start = bench.settled(sim, probe)
    begin, end = map(np.array, probe.sweep_rad)
    bench.load(sim, bench.posed(start, begin))
    for share in (*np.linspace(0.0, 1.0, 21), *[1.0] * 10):
        bench.rest(sim, begin + share * (end - begin), 1)
    moved = bench.bodies(sim, probe).pos_w - start.bodies[probe.group].pos_w
    way = np.linalg.norm(moved, axis=-1)
    swept, others = way[:, probe.swept], np.delete(way, probe.swept, axis=1)
    text = f"swept by the tool a body moved {1e3 * swept.min():.0f} mm, the others {1e3 * others.max():.1f}"
    if not (swept.min() > probe.swept_m and others.max() < 5e-3):
        raise DiffersError(f"{text}: robot and bodies do not meet as they should")
    return text


def fall_through(sim: Simulator, probe: Probe) -> str:
    """What the scene says meets the ground alone lets bodies through."""
    start = bench.side_by_side(sim, probe, probe.aloft_m)
    group = start.bodies[probe.group]
    offsets = _APART_M * (np.arange(group.pos_w.shape[1]) - 1.0)
    group.pos_w[:] = np.array(probe.inside_w, np.float32) + np.outer(offsets, [0, 1, 0])
    bench.load(sim, start)
    bench.rest(sim, probe.parked_rad, 2)
    moved = bench.bodies(sim, probe).pos_w - group.pos_w
    fallen, time_s = -moved[..., 2].mean(), 2 * sim.spec.control_dt_s
    aside = np.linalg.norm(moved[..., :2], axis=-1).max()
    should = 9.81 * time_s**2 / 2
    text = (
        f"where the robot should meet the ground alone bodies fall {1e3 * fallen:.0f} mm (free"
        f" {1e3 * should:.0f}) and {1e3 * aside:.1f} aside"
    )
    if not (abs(fallen - should) < 0.25 * should and aside < 5e-3):
        raise DiffersError(f"{text}: the shapes' filters do not keep apart what they should")
    return text


def reset_one(sim: Simulator, probe: Probe) -> str:
    """A scene that is written leaves its neighbours alone, and the robot is where it was put."""
    bench.load(sim, bench.side_by_side(sim, probe, probe.lying_m))
    bench.rest(sim, probe.parked_rad, 10)
    before = bench.read(sim)
    there = bench.posed(before, probe.other_rad)
    mask = np.arange(sim.spec.num_envs) == 1
    sim.write(jnp.asarray(mask), sim.pack(jax.tree.map(jnp.asarray, there)))
    sim.step(jnp.asarray(there.robot.joint_pos))
    after = bench.read(sim)
    others = np.abs(after.bodies[probe.group].pos_w - before.bodies[probe.group].pos_w)[~mask].max()
    robot = np.abs(after.robot.joint_pos - there.robot.joint_pos)[mask].max()
    if not (others < 1e-3 and robot < 1e-2):
        raise DiffersError(
            f"neighbours moved by {others:.4f} m, the robot is {robot:.4f} rad off: indexed writes"
            " reach other actors than they name"
        )
    return f"neighbours moved by {1e3 * others:.3f} mm, the robot is {robot:.5f} rad off"
