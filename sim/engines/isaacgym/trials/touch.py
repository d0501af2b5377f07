"""Trials on the ground: how free bodies lie, slide, roll, stand and meet each other."""

import numpy as np

from screwpush_sim.assets.probe import Probe
from screwpush_sim.engines.isaacgym.trials import bench
from screwpush_sim.engines.isaacgym.trials.bench import DiffersError
from screwpush_sim.protocol import Simulator
from screwpush_sim.state import SimState


def lie(sim: Simulator, probe: Probe) -> str:
    """Level bodies lie as low as their shapes let them, and lie still."""
    got, want = bench.both(
        sim, probe, bench.side_by_side(sim, probe, probe.lying_m), steps=round(1 / sim.spec.control_dt_s)
    )  # fmt: skip
    height, should = (state.bodies[probe.group].pos_w[..., 2].mean() for state in (got, want))
    speed = np.abs(got.bodies[probe.group].linvel_w).max()
    text = f"level it lies at {1e3 * height:.2f} mm (MuJoCo {1e3 * should:.2f}), {speed:.4f} m/s"
    if not abs(height - should) < 5e-4:
        raise DiffersError(f"{text}: shapes have a skin (--isaacgym.thickness-m, rest-offset-m)")
    if not speed < 0.1 * probe.rest_speed_m_s:
        raise DiffersError(f"{text}: what rests shows a velocity")
    return text


def push(sim: Simulator, probe: Probe) -> str:
    """A body that is nudged sideways stops as soon as the probe says, and as in MuJoCo."""
    start = bench.settled(sim, probe)
    nudged = bench.spread(start, probe, linvel_w=[0.0, probe.push_m_s, 0.0])
    ends = bench.both(sim, probe, nudged, steps=round(probe.push_s / sim.spec.control_dt_s))
    moved, should = (_way(start, end, probe).max() for end in ends)
    speed = np.linalg.norm(ends[0].bodies[probe.group].linvel_w, axis=-1).max()
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


def roll(sim: Simulator, probe: Probe) -> str:
    """A nudge just takes a body over one edge; friction at places that do not touch holds it back."""
    start = bench.settled(sim, probe)
    bench.load(sim, bench.spread(start, probe, linvel_w=[0.0, probe.over_m_s, 0.0]))
    bench.rest(sim, probe.parked_rad, round(probe.push_s / sim.spec.control_dt_s))
    moved = _way(start, bench.read(sim), probe)
    text = (
        f"nudged at {probe.over_m_s:g} m/s it rolled by {1e3 * moved.min():.1f} to"
        f" {1e3 * moved.max():.1f} mm, from edge to edge are {1e3 * probe.side_m:.1f}"
    )
    if not (0.7 * probe.side_m < moved.min() and moved.max() < 1.5 * probe.side_m):
        raise DiffersError(
            f"{text}: what should roll is held or slides"
            " (--isaacgym.friction-offset-threshold-m, friction-correlation-m)"
        )
    return text


def stand(sim: Simulator, probe: Probe) -> str:
    """Put upright, a body is as long as its shapes say."""
    half = probe.length_m / 2
    start = bench.side_by_side(sim, probe, half + 0.0005)
    bench.load(sim, bench.spread(start, probe, quat_w=probe.upright_wxyz))
    bench.rest(sim, probe.parked_rad, 1)
    lowest = bench.bodies(sim, probe).pos_w[..., 2].min()
    if not half - 0.003 < lowest < half + 0.003:
        raise DiffersError(
            f"upright its middle is at {lowest:.4f} m, not {half:.4f}: capsules made of"
            " cylinders have another length than assumed (sim/builders/urdf.py)"
        )
    return f"upright its middle stays at {lowest:.4f} m"


def collide(sim: Simulator, probe: Probe) -> str:
    """A body that is thrown at its neighbour moves it, and does not go through."""
    start = bench.settled(sim, probe)
    group = start.bodies[probe.group]
    group.pos_w[:, 0, 1] = group.pos_w[:, 1, 1] - probe.apart_m
    thrown = bench.spread(start, probe, linvel_w=0.0)
    thrown.bodies[probe.group].linvel_w[:, 0, 1] = probe.throw_m_s
    bench.load(sim, thrown)
    bench.rest(sim, probe.parked_rad, round(probe.push_s / sim.spec.control_dt_s))
    end = bench.bodies(sim, probe)
    moved = (end.pos_w[:, 1, 1] - group.pos_w[:, 1, 1]).min()
    gap = (end.pos_w[:, 1, 1] - end.pos_w[:, 0, 1]).min()
    text = (
        f"hit by another at {probe.throw_m_s:g} m/s a body moved {1e3 * moved:.0f} mm and is"
        f" {1e3 * gap:.0f} mm ahead"
    )
    if not (moved > 0.003 and gap > probe.touch_m):
        raise DiffersError(f"{text}: bodies do not meet each other, or not as hard")
    return text


def _way(start: SimState, end: SimState, probe: Probe) -> np.ndarray:
    """How far each body went `[N, B]`, metres."""
    pos, other = (state.bodies[probe.group].pos_w for state in (end, start))
    return np.linalg.norm(pos - other, axis=-1)
