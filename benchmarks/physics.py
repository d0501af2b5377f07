"""What each physics knob costs and spoils: `python -m benchmarks.physics --checkpoint best`.

For each variant of the scene, on the engine that trains: device time of a control step while a
trained policy pushes (so with its contacts), how that policy fares, how deep heads sink into the
table, how deep rod, bolts and table are in each other after each of those control steps, how much
energy contacts add to screws that are dropped and left alone (there should be none), and how far from
the solved motion sliding screws end when the solver stops early.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import record
from benchmarks.contacts import OverlapMeter
from benchmarks.overlaps import figures_mm
from benchmarks.settings import PositiveInt, check_names, parse
from benchmarks.start import trained
from screwpush_jax import checkpoint_folder, cli, compiled, evaluation
from screwpush_jax.build import World, make_world
from screwpush_jax.config import Config
from screwpush_jax.device import use_device
from screwpush_jax.evaluate import load_policy
from screwpush_jax.field_kinds import with_values
from screwpush_jax.tasks.parts import quat_to_matrix
from screwpush_jax.tasks.screws.geometry import quat_x_axis
from screwpush_jax.tasks.screws.types import ScrewStarts
from screwpush_sim.assets.arm_with_bolts import SceneConfig
from screwpush_sim.clock import Report
from screwpush_sim.options import MujocoWarpConfig
from screwpush_sim.physics import PhysicsConfig
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState

_GRAVITY = 9.81
_PUSHING_STEPS = 40
"""Control steps from the start in which most episodes are still being pushed."""

_DONE = 100
"""Solver iterations after which nothing changes any more."""
_SLIDE_M_S, _SLIDE_STEPS = 0.3, 12

_SOUND = {"dt_s": 0.002, "decimation": 25, "contact_time_s": 0.004}
_SOUNDER = {"dt_s": 0.001, "decimation": 50, "contact_time_s": 0.002}
_HARD = {"contact_impedance": (0.95, 0.99), "solver_iterations": 10}

VARIANTS: dict[str, dict] = {
    "0.005 s x 10": {},
    "0.01 s x 5": {"dt_s": 0.01, "decimation": 5},
    "contact time 0.01 s": {"contact_time_s": 0.01},
    "0.0025 s x 20, 0.005 s, hard": _HARD
    | {"dt_s": 0.0025, "decimation": 20, "contact_time_s": 0.005},
    "0.002 s x 25, 0.004 s": _SOUND,
    "0.002 s x 25, 0.004 s, hard": _SOUND | _HARD,
    "0.002 s x 25, 0.004 s, hard, 6 iterations": _SOUND | _HARD | {"solver_iterations": 6},
    "0.001 s x 50, 0.002 s": _SOUNDER,
    "0.001 s x 50, 0.002 s, hard": _SOUNDER | _HARD,
    "10 iterations": {"solver_iterations": 10},
    "4 iterations": {"solver_iterations": 4},
    "3 iterations": {"solver_iterations": 3},
    "2 iterations": {"solver_iterations": 2},
    "elliptic cone": {"cone": "elliptic"},
    "contacts 80, rows 320": {"contacts_per_scene": 80, "constraints_per_scene": 320},
    "contacts 16, rows 112": {"contacts_per_scene": 16, "constraints_per_scene": 112},
}
"""Changes of the plain physics (MuJoCo's own contacts, 0.005 s x 10, 6 iterations). The second time is
that of contacts; hard: an impedance of 0.95 to 0.99, which 6 iterations do not solve."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    checkpoint: str = "best"
    """Whose policy acts: latest, best, a run's folder."""
    num_envs: PositiveInt = 4096
    """Scenes, and episodes of each variant."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Names out of the table in this file."""
    runs_dir: str = "runs"
    """Where the checkpoint is searched."""
    out: Path = Path("benchmarks/results/physics.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    check_names("--variants", args.variants, VARIANTS)
    found, config = trained(args.checkpoint, args.runs_dir)
    config = dataclasses.replace(config, sim="auto", device="auto")
    plain = {"env.scene.physics.eval": PhysicsConfig(), "mujoco_warp": MujocoWarpConfig()}
    config = with_values(with_values(config, {"env.scene": SceneConfig()}), plain)
    use_device(config)
    for name in args.variants:
        record.write(args.out, [measure(args, _vary(config, VARIANTS[name]), found, name)])


def _vary(config: Config, change: dict) -> Config:
    engine = {field.name for field in dataclasses.fields(MujocoWarpConfig)}
    section = {n: "mujoco_warp" if n in engine else "env.scene.physics.eval" for n in change}
    return with_values(config, {f"{section[name]}.{name}": value for name, value in change.items()})


def measure(args: Args, config: Config, found: checkpoint_folder.Found, name: str) -> dict:
    """One variant's row."""
    world = make_world(config, args.num_envs, "eval")
    sim = world.sim
    try:
        policy = load_policy(config, found, world)
        starts = evaluation.unseen_starts(world, 1)
        sim.report()
        step = compiled.compile_episodes(world.env, world.algorithm)
        states: list[SimState] = []
        early: list[Report] = []

        def watch(state: SimState) -> None:
            if len(states) < _PUSHING_STEPS:
                states.append(state)
            elif not early:  # most episodes are over soon after, and then nothing moves
                early.append(sim.report()())

        episodes = evaluation.run_episodes(world, step, policy, starts, "learned", 0, watch)
        later = sim.report()()
        result = evaluation.summarize(world.task, episodes)
        gained = _energy_gain(config, world)
        ends = _slide(world, starts)
    finally:
        world.sim.close()
    solved = make_world(_vary(config, {"solver_iterations": _DONE}), args.num_envs, "eval")
    try:
        unsolved_m = np.linalg.norm(ends - _slide(solved, starts), axis=-1)
    finally:
        solved.sim.close()
    peaks = {k: max(early[0][k], later[k]) for k in later if k.endswith(("_peak", "overflow"))}
    low = np.array([np.asarray(lowest_point_m(config, s)).min(axis=-1) for s in states[5:]])
    return {
        "benchmark": "physics",
        "what": name,
        "engine": sim.spec.engine,
        "num_envs": args.num_envs,
        "sim_ms_per_step": early[0]["perf/sim_ms"] / _PUSHING_STEPS,
        "success": result.success_rate,
        "out": result.shares["out_of_area"],
        "invalid": result.invalid,
        "sunk_mm_p50": float(-1e3 * np.percentile(low, 50)),
        "sunk_mm_p99": float(-1e3 * np.percentile(low, 1)),
        "energy_gain_p99": float(np.percentile(gained, 99)),
        "unsolved_mm_p90": float(1e3 * np.percentile(unsolved_m, 90)),
        **_overlaps_mm(sim.spec.scene, states),
    } | peaks


def _overlaps_mm(scene: Scene, states: list[SimState]) -> dict[str, dict[str, float]]:
    """Figures over the scenes of the deepest overlap in these states."""
    meter = OverlapMeter(scene)
    found = [meter.deepest_m(state) for state in states]
    return {f"{pair}_mm": figures_mm(np.max([one[pair] for one in found], 0)) for pair in found[0]}


def lowest_point_m(config: Config, state: SimState) -> jax.Array:
    """Height `[N, S]` of the lowest corner of each head; below 0 it has sunk into the table."""
    corners = jnp.asarray(config.env.scene.screw.head_vertices_m(), jnp.float32)
    row = quat_to_matrix(state.bodies["screws"].quat_w)[..., 2, :]
    heights = jnp.sum(row[..., None, :] * corners[None, None], axis=-1)
    return state.bodies["screws"].pos_w[..., 2] + jnp.min(heights, axis=-1)


def _energy_gain(config: Config, world: World) -> np.ndarray:
    """Largest rise of each scene's energy while dropped screws settle, over what they fell with."""
    sim, task = world.sim, world.task
    # start states, lifted by 4 cm: they fall on the table and on each other
    starts = task.starts(sim, sim.spec.num_envs, 2, compiled.jit)
    lifted = starts.state.with_bodies(
        "screws", pos_w=starts.state.bodies["screws"].pos_w + jnp.array([0.0, 0.0, 0.04])
    )
    sim.write(jnp.ones(sim.spec.num_envs, bool), sim.pack(lifted))
    energies = [np.asarray(_energy_j(config, lifted))]
    for _ in range(20):
        sim.step(lifted.robot.joint_pos)
        energies.append(np.asarray(_energy_j(config, sim.unpack(sim.views()))))
    energy = np.array(energies)
    rise = np.maximum(np.diff(energy, axis=0), 0.0).max(axis=0)
    return rise / (energy[0] - energy[-1])


def _slide(world: World, starts: ScrewStarts) -> np.ndarray:
    """Where `starts`'s screws end, `[N, S, 3]` m, when each is sent off in a direction of its own."""
    shape = starts.state.bodies["screws"].pos_w.shape[:-1]
    angle = jax.random.uniform(jax.random.key(3), shape) * 2 * jnp.pi
    away = jnp.stack([jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)], axis=-1)
    sliding = starts.state.with_bodies("screws", linvel_w=_SLIDE_M_S * away)
    world.sim.write(jnp.ones(angle.shape[0], bool), world.sim.pack(sliding))
    for _ in range(_SLIDE_STEPS):
        world.sim.step(sliding.robot.joint_pos)
    return np.array(world.sim.unpack(world.sim.views()).bodies["screws"].pos_w)


def _energy_j(config: Config, state: SimState) -> jax.Array:
    """Kinetic and potential energy of each scene's screws, `[N]` J."""
    mass, com_x, (axial, across, _) = config.env.scene.screw.inertia()
    axis = quat_x_axis(state.bodies["screws"].quat_w)
    velocity = state.bodies["screws"].linvel_w + jnp.cross(
        state.bodies["screws"].angvel_w, com_x * axis
    )
    spin = jnp.sum(state.bodies["screws"].angvel_w * axis, axis=-1)
    turn = jnp.sum(state.bodies["screws"].angvel_w ** 2, axis=-1) - spin**2
    height = state.bodies["screws"].pos_w[..., 2] + com_x * axis[..., 2]
    kinetic = mass * jnp.sum(velocity**2, axis=-1) + axial * spin**2 + across * turn
    return jnp.sum(0.5 * kinetic + mass * _GRAVITY * height, axis=-1)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
