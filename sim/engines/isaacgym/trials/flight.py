"""Trials in the air: frames, centres of mass, spins."""

import numpy as np

from screwpush_sim.assets.probe import Probe
from screwpush_sim.engines.isaacgym.trials import bench
from screwpush_sim.engines.isaacgym.trials.bench import DiffersError
from screwpush_sim.protocol import Simulator
from screwpush_sim.state import Bodies

_FRAMES = {  # most that may differ, and what is probably wrong
    "pos_w": (0.01, "positions are not relative to the environment, or up is not z"),
    "quat_w": (0.05, "quaternions are not xyzw"),
    "linvel_w": (0.1, "linear velocity is not along world axes"),
    "angvel_w": (0.3, "angular velocity is not along world axes"),
}


def frames(sim: Simulator, probe: Probe) -> str:
    """Drops a body, tilted, thrown and spinning: positions, xyzw and world axes must agree.

    The spin is across the body's length and so about a principal axis: gyroscopic forces do nothing.
    """
    half = 0.6
    quat = [np.cos(half), 0.0, np.sin(half), 0.0]
    spin, throw = [3.6 * np.sin(2 * half), 2.0, 3.6 * np.cos(2 * half)], [0.3, -0.2, 0.5]
    start = bench.spread(bench.side_by_side(sim, probe, probe.aloft_m), probe, quat_w=quat)
    start = bench.spread(start, probe, angvel_w=spin, linvel_w=throw)
    got, want = (state.bodies[probe.group] for state in bench.both(sim, probe, start, steps=3))
    seen = []
    for name, (limit, guess) in _FRAMES.items():
        error = _difference(getattr(got, name), getattr(want, name), name)
        seen.append(f"{name} {error:.4f}")
        if not error <= limit:
            raise DiffersError(
                f"{name} differs from MuJoCo by {error:.4f} (limit {limit}): {guess}"
            )
    time_s = 3 * sim.spec.control_dt_s
    return f"after {time_s:.2f} s of flight the largest differences are " + ", ".join(seen)


def origin(sim: Simulator, probe: Probe) -> str:
    """A level body spins about the vertical, its origin still at first: its centre of mass flies straight on.

    If the engine takes a velocity for the origin's, not the centre's, it flies on twice as fast.
    """
    fast, arm, time_s = probe.turn_rad_s, probe.com_x_m, 3 * sim.spec.control_dt_s
    start = bench.side_by_side(sim, probe, probe.aloft_m)
    bench.load(sim, bench.spread(start, probe, angvel_w=[0, 0, fast]))
    bench.rest(sim, probe.parked_rad, 3)
    moved = _center(bench.bodies(sim, probe), arm) - _center(start.bodies[probe.group], arm)
    way = fast * arm * time_s
    error = 1e3 * np.linalg.norm(moved[..., :2] - [0, way], axis=-1).max()
    text = (
        f"spun at {fast:.0f} rad/s its centre of mass is {error:.1f} mm from a straight way after"
        f" {time_s:.2f} s"
    )
    if not error < 0.5e3 * way:  # MuJoCo's own steps of 0.01 s are 11 mm off
        raise DiffersError(f"{text}: linear velocity is not the centre of mass's")
    return text


def tumble(sim: Simulator, probe: Probe) -> str:
    """A body that spins about no principal axis changes its spin by gyroscopic forces alone."""
    start = bench.spread(
        bench.side_by_side(sim, probe, probe.aloft_m), probe, angvel_w=[6.0, 0.0, 6.0]
    )
    got, want = (state.bodies[probe.group] for state in bench.both(sim, probe, start, steps=3))
    begin = start.bodies[probe.group].angvel_w
    error, should = _difference(got.angvel_w, want.angvel_w), _difference(want.angvel_w, begin)
    text = f"the spin of a tumbling body differs from MuJoCo by {error:.2f} rad/s of {should:.1f}"
    if not error <= 0.2 * should:
        raise DiffersError(f"{text}: gyroscopic forces are off (AssetOptions)")
    return text


def spin(sim: Simulator, probe: Probe) -> str:
    """A body that spins about its length as fast as one that rolls goes on so."""
    start, fast = bench.side_by_side(sim, probe, probe.aloft_m), probe.spin_rad_s
    bench.load(sim, bench.spread(start, probe, angvel_w=[fast, 0, 0]))
    bench.rest(sim, probe.parked_rad, 2)
    slowest = bench.bodies(sim, probe).angvel_w[..., 0].min()
    time_s = 2 * sim.spec.control_dt_s
    text = f"a spin of {fast:.0f} rad/s is {slowest:.1f} rad/s after {time_s:.1f} s"
    if not abs(slowest - fast) < 2.0:
        raise DiffersError(f"{text}: free bodies are slowed down, what rolls will slide")
    return text


def _center(group: Bodies, com_x_m: float) -> np.ndarray:
    """Centres of mass `[N, B, 3]`, metres, which lie on the bodies' x axes."""
    w, x, y, z = np.moveaxis(np.asarray(group.quat_w), -1, 0)
    axis = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=-1)
    return np.asarray(group.pos_w) + com_x_m * axis


def _difference(got, want, name: str = "") -> float:
    if name == "quat_w":  # both signs are the same turn
        got = got * np.sign((got * want).sum(-1, keepdims=True))
    return float(np.abs(got - want).max())
