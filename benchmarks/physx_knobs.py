"""What each knob of PhysX costs and spoils: `python -m benchmarks.physx_knobs`.

For each variant, while the scripted policy (or a checkpoint's) pushes: ms of a control step in all scenes;
how it fares; and, in as many scenes as are looked at, the deepest overlaps of each episode and the fastest
bolt. A variant begins only while there is time for it. The GPU's figures are not the CPU's, where an
iteration of the solver costs what it computes and a physics step next to nothing.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import overlaps, record
from benchmarks.contacts import PAIRS, OverlapMeter
from benchmarks.settings import PositiveFloat, PositiveInt, check_names, parse
from benchmarks.start import trained
from screwpush_jax import cli, evaluation
from screwpush_jax.build import World
from screwpush_jax.config import config_type
from screwpush_jax.device import use_device
from screwpush_jax.episodes import LEARNED
from screwpush_jax.evaluate import load_policy
from screwpush_sim.state import SimState


def _physics(dt_s: float, decimation: int, iterations: int) -> dict[str, Any]:
    return {"dt_s": dt_s, "decimation": decimation, "solver_iterations": iterations}


VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "0.002 x 25, 20 iterations": (_physics(0.002, 25, 20), {}),
    "0.01 x 5, 8 iterations": (_physics(0.01, 5, 8), {}),
    "0.005 x 10, 64 iterations": (_physics(0.005, 10, 64), {}),
    "0.005 x 10, 8 iterations": (_physics(0.005, 10, 8), {}),
    "0.005 x 10, 32 iterations": (_physics(0.005, 10, 32), {}),
    "0.01 x 5, 16 iterations": (_physics(0.01, 5, 16), {}),
    "0.01 x 5, 4 iterations": (_physics(0.01, 5, 4), {}),
    "0.01 x 5, 64 iterations": (_physics(0.01, 5, 64), {}),
    "0.005 x 10, 32 iterations, robot's contacts not last": (
        _physics(0.005, 10, 32),
        {"robot_contacts_last": False},
    ),
    "0.0025 x 20, 16 iterations": (_physics(0.0025, 20, 16), {}),
    "0.01 x 5, 8 iterations, no refresh": (
        _physics(0.01, 5, 8),
        {"refresh_after_write": False},
    ),
    "0.01 x 5, 8 iterations, pgs": (_physics(0.01, 5, 8), {"solver": "pgs"}),
    "0.002 x 25, 20 iterations, pgs": (_physics(0.002, 25, 20), {"solver": "pgs"}),
    "0.005 x 10, 8 iterations, PhysX's own broad phase": (
        _physics(0.005, 10, 8),
        {"env_id_bits": -1},
    ),
    "0.01 x 5, 32 iterations, pgs": (_physics(0.01, 5, 32), {"solver": "pgs"}),
    "0.005 x 10, 32 iterations, pgs": (_physics(0.005, 10, 32), {"solver": "pgs"}),
    "0.01 x 5, 128 iterations": (_physics(0.01, 5, 128), {}),
}
"""Changes of the scene's physics and of the engine's options, the most telling ones first."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    checkpoint: str = ""
    """Whose policy acts: latest, best, a run's folder; none: the scripted one."""
    num_envs: PositiveInt = 4096
    """Scenes, and episodes of each variant."""
    looked_at: PositiveInt = 512
    """Scenes in which overlaps and speeds are looked for."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Names out of the table in this file."""
    minutes: PositiveFloat = 9.0
    """A variant that would end later than this, if it took as long as the longest one, does not begin."""
    runs_dir: str = "runs"
    """Where the checkpoint is searched."""
    out: Path = Path("benchmarks/results/physx_knobs.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    check_names("--variants", args.variants, VARIANTS)
    found, config = trained(args.checkpoint, args.runs_dir) if args.checkpoint else (None, None)
    config = dataclasses.replace(config or config_type()(), sim="physx", device="auto")
    use_device(config)
    began_s, longest_s = time.perf_counter(), 0.0
    for name in args.variants:
        now_s = time.perf_counter()
        if now_s + longest_s > began_s + 60 * args.minutes:
            print(f"no time for {name!r} and what follows it", flush=True)
            break
        physics, options = VARIANTS[name]
        world = overlaps.changed_world(config, args.num_envs, physics, options)
        try:
            policy = load_policy(config, found, world) if found else None
            row = measure(world, policy, args.looked_at)
        finally:
            world.sim.close()
        took_s = time.perf_counter() - now_s
        longest_s = max(longest_s, took_s)
        what = {"benchmark": "physx_knobs", "what": name, "num_envs": args.num_envs}
        record.write(args.out, [what | row | {"whole_s": took_s}])


def measure(world: World, policy: Any, looked_at: int) -> dict[str, Any]:
    """One variant's figures; without `policy` the task's scripted one acts."""
    meter, sim = OverlapMeter(world.sim.spec.scene), world.sim
    count = min(looked_at, sim.spec.num_envs)
    deepest_m = {pair: np.zeros(count) for pair in PAIRS}
    fastest_m_s, before = np.zeros(count), None

    def watch(state: SimState, running: np.ndarray) -> None:
        nonlocal fastest_m_s, before
        some = _some(state, count)
        for pair, depth in meter.deepest_m(some).items():
            deepest_m[pair] = np.maximum(deepest_m[pair], np.where(running[:count], depth, 0.0))
        pos = some.bodies["screws"].pos_w
        moved_m = np.linalg.norm(pos - (pos if before is None else before), axis=-1).max(axis=1)
        speed = np.where(running[:count], moved_m / sim.spec.control_dt_s, 0.0)
        fastest_m_s, before = np.fmax(fastest_m_s, speed), pos

    starts = evaluation.unseen_starts(world, 1)
    at_start_m = meter.deepest_m(_some(starts.state, count))
    sim.report()()
    actor = LEARNED if policy is not None else "scripted"
    episodes, step_ms = overlaps.run(world, policy, starts, actor, 1, 1, watch)
    result = evaluation.summarize(world.task, episodes)
    row = {
        "sim_ms_per_step": step_ms,
        "success": result.success_rate,
        "out": result.shares["out_of_area"],
        "invalid": result.invalid,
        "episode_len": result.episode_len,
        "fastest_m_s": _figures(fastest_m_s),
    }
    row |= {f"{pair}_at_start_mm": _figures(1e3 * depth) for pair, depth in at_start_m.items()}
    return row | {f"{pair}_mm": _figures(1e3 * depth) for pair, depth in deepest_m.items()}


def _some(state: SimState, count: int) -> SimState:
    """The first `count` scenes, on the host."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], state)


def _figures(values: np.ndarray) -> dict[str, float]:
    middle, high = np.percentile(values, [50, 99])
    return {"p50": float(middle), "p99": float(high), "max": float(values.max())}


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
