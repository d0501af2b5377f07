"""How the humanoid's physics hold, and what room they need: `python -m benchmarks.humanoid_physics`.

Every engine and physics steps the same trials from the same start states, and MuJoCo's own model counts
energy, overlaps, contacts and constraint rows in the states that come of them.
"""

# pyright: reportAttributeAccessIssue=false
# mujoco's names come from a compiled module without stubs.

import dataclasses
from pathlib import Path
from typing import Any, Literal

import jax
import mujoco
import numpy as np

from benchmarks import record
from benchmarks.settings import PositiveInt, parse
from screwpush_jax import cli, compiled
from screwpush_jax.tasks.humanoid.config import HumanoidConfig
from screwpush_jax.tasks.humanoid.task import HumanoidTask
from screwpush_sim import registry
from screwpush_sim.builders import mjcf
from screwpush_sim.engines.mujoco_layout import make_layout
from screwpush_sim.physics import Name
from screwpush_sim.protocol import Simulator
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState

Engine = Literal["mujoco", "mujoco_warp", "physx"]
_SEED = 11
_SLOPE = 0.5
"""Tangent of the slope on which a heap must not slide, at a friction of 1."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What is compared."""

    engines: tuple[Engine, ...] = ("mujoco", "physx")
    """Engines."""
    physics: tuple[Name, ...] = ("train", "eval", "reference")
    """Which of the scene's physics."""
    num_envs: PositiveInt = 32
    """Scenes, each from its own start state."""
    out: Path = Path("benchmarks/results/humanoid_physics.jsonl")
    """Rows are added to it."""


def main(args: Args) -> None:
    rows = []
    for engine in args.engines:
        for name in args.physics:
            rows.append({"engine": engine, "physics": name} | measure(args, engine, name))
    record.write(args.out, [{"benchmark": "humanoid_physics"} | row for row in rows])


def measure(args: Args, engine: Engine, name: Name) -> dict[str, Any]:
    """All figures of one engine in one physics."""
    task = HumanoidTask(HumanoidConfig())
    scene = task.scene(name)
    down = scene.physics.gravity_m_s2[2]
    norm = float(np.hypot(1.0, _SLOPE))
    tilted = dataclasses.replace(
        scene.physics, gravity_m_s2=(down * _SLOPE / norm, 0.0, down / norm)
    )
    flat = _make(engine, scene, args.num_envs)
    try:
        starts = jax.tree.map(np.array, task.starts(flat, args.num_envs, _SEED))
        figures = {"dt_s": scene.physics.dt_s} | fall(flat, starts)
        figures |= flight(flat, starts) | flail(flat, starts)
    finally:
        flat.close()
    slope = _make(engine, dataclasses.replace(scene, physics=tilted), args.num_envs)
    try:
        return figures | heap(slope, starts)
    finally:
        slope.close()


def fall(sim: Simulator, starts: SimState) -> dict[str, float]:
    """Limp from a start: when the torso is below 0.8 m, and where it is after half a second."""
    heights = [_base_height(state) for state in run(sim, starts, 120, None)]
    fell = np.argmax(np.array(heights) < 0.8, axis=0) + 1
    half_s = round(0.5 / sim.spec.control_dt_s)
    return {
        "fall_s": float(np.mean(fell) * sim.spec.control_dt_s),
        "fall_s_std": float(np.std(fell) * sim.spec.control_dt_s),
        "height_at_half_s_m": float(np.mean(heights[half_s - 1])),
    }


def flight(sim: Simulator, starts: SimState) -> dict[str, float]:
    """Limp in the air with joints that turn at up to 3 rad/s: energy, J, that is left of what it had.

    The joints' own damping takes most of the motion between the parts; what one physics loses more or
    less than the reference is its error.
    """
    rng = np.random.default_rng(_SEED)
    robot = starts.robot
    speed = rng.uniform(-3, 3, robot.joint_vel.shape).astype(np.float32)
    spin = rng.uniform(-3, 3, (len(speed), 3)).astype(np.float32)
    aloft = starts.with_robot(
        base_pos_w=np.asarray(robot.base_pos_w) + np.array([0, 0, 5], np.float32),
        joint_vel=speed,
        base_angvel_w=spin,
    )
    ends = run(sim, aloft, 30, None)
    energies = [_count(sim.spec.scene, state)["energy"] for state in (aloft, ends[-1])]
    return {"flight_energy_lost_j": float(np.mean(energies[0] - energies[1]))}


def flail(sim: Simulator, starts: SimState) -> dict[str, float]:
    """Random torques, new ones each 10 control steps, for 4 s, standing, falling and lying."""
    rng = np.random.default_rng(_SEED)
    gears = np.array(sim.spec.scene.robot.control_range[1])
    torques = [rng.uniform(-1, 1, (len(starts.robot.joint_pos), len(gears))) for _ in range(24)]
    ends = run(sim, starts, 240, [(gears * one).astype(np.float32) for one in torques])
    counts = [_count(sim.spec.scene, state) for state in ends[::4]]
    overlap = np.concatenate([one["overlap_m"] for one in counts])
    joints = np.concatenate([np.abs(state.robot.joint_vel).ravel() for state in ends])
    return {
        "flail_overlap_p99_mm": float(1e3 * np.percentile(overlap, 99)),
        "flail_beyond_limit_p99_rad": float(
            np.percentile(np.concatenate([one["beyond_rad"] for one in counts]), 99)
        ),
        "flail_joint_vel_p99_rad_s": float(np.percentile(joints, 99)),
        "flail_not_finite": float(np.mean(~np.isfinite(_base_height(ends[-1])))),
        "contacts_mean_peak": float(max(np.mean(one["contacts"]) for one in counts)),
        "contacts_peak": float(max(np.max(one["contacts"]) for one in counts)),
        "constraints_peak": float(max(np.max(one["constraints"]) for one in counts)),
    }


def heap(sim: Simulator, starts: SimState) -> dict[str, float]:
    """Fallen and limp on a slope of 1 in 2 at a friction of 1: how fast it slides from 3 s to 4 s on."""
    ends = run(sim, starts, 240, None)
    early, late = (np.asarray(ends[i].robot.base_pos_w) for i in (179, 239))
    slid = np.linalg.norm((late - early)[:, :2], axis=-1)
    return {
        "slide_median_mm_s": float(1e3 * np.median(slid)),
        "slide_p90_mm_s": float(1e3 * np.percentile(slid, 90)),
    }


def run(
    sim: Simulator, start: SimState, steps: int, controls: list[np.ndarray] | None
) -> list[SimState]:
    """States after each control step, on the host; `controls` in turn, each for 10 steps, or none."""
    unpack, pack = compiled.jit(sim.unpack), compiled.jit(sim.pack)
    start = jax.device_put(start)
    sim.write(jax.device_put(np.ones(sim.spec.num_envs, bool)), pack(start))
    limp = np.zeros((sim.spec.num_envs, len(sim.spec.scene.robot.joints)), np.float32)
    states = []
    for step in range(steps):
        control = limp if controls is None else controls[step // 10 % len(controls)]
        sim.step(jax.device_put(control))
        states.append(jax.tree.map(np.array, unpack(sim.views())))
    sim.report()()
    return states


def _make(engine: Engine, scene: Scene, num_envs: int) -> Simulator:
    options = registry.ENGINES[engine].options()
    return registry.make_simulator(engine, scene, num_envs, options)


def _base_height(state: SimState) -> np.ndarray:
    return np.asarray(state.robot.base_pos_w)[:, 2]


def _count(scene: Scene, state: SimState) -> dict[str, np.ndarray]:
    """Of each scene `[N]`, by MuJoCo's own model of it."""
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene))
    model.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_ENERGY)
    data, views = mujoco.MjData(model), make_layout(scene).pack(state)
    rows = []
    for qpos, qvel in zip(np.asarray(views["qpos"]), np.asarray(views["qvel"]), strict=True):
        data.qpos[:], data.qvel[:] = qpos, qvel
        mujoco.mj_forward(model, data)
        deepest = min((contact.dist for contact in data.contact[: data.ncon]), default=0.0)
        low, high = model.jnt_range[1:].T
        beyond = np.maximum(low - data.qpos[7:], data.qpos[7:] - high).max()
        rows.append((sum(data.energy), -min(deepest, 0.0), max(beyond, 0.0), data.ncon, data.nefc))
    names = ("energy", "overlap_m", "beyond_rad", "contacts", "constraints")
    return dict(zip(names, np.array(rows).T, strict=True))


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
