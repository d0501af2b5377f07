"""What parked bolts cost physics: `python -m benchmarks.parked`.

Scenes of so many bolts, of which some are in the jumble and the others parked; the arm stands above.
Time of a control step, the smallest of several repeats, because other programs only add to it; and of an
engine on the CPU this process's processor time, to which they add little.
"""

import dataclasses
import time
from pathlib import Path

import jax
import numpy as np

from benchmarks import record
from benchmarks.settings import PositiveInt, parse
from screwpush_jax import cli, compiled
from screwpush_jax.build import World, make_world
from screwpush_jax.config import Config, config_type, from_tree
from screwpush_jax.device import use_device
from screwpush_sim.physics import Name

_SCENES = ((2, 2), (3, 3), (6, 6), (6, 3), (6, 2), (8, 8), (8, 3))
"""Bolts of a scene, and how many of them are in the jumble."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    num_envs: PositiveInt = 4096
    """Scenes."""
    sim: str = "auto"
    """Physics engine."""
    physics: tuple[Name, ...] = ("train", "eval")
    """Which of the scene's physics are stepped."""
    steps: PositiveInt = 20
    """Control steps of a repeat."""
    repeats: PositiveInt = 5
    """Repeats."""
    out: Path = Path("benchmarks/results/parked.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    for bolts, present in _SCENES:
        kind = config_type()
        env = {"bank_size": 16 * (bolts - 1), "observation": "set", "fewest_screws": 2}
        tree = {"sim": args.sim, "env": env | {"scene": {"num_screws": bolts}}}
        config = from_tree(tree, kind, kind())
        config.check()
        use_device(config)
        for physics in args.physics:
            world = make_world(config, args.num_envs, physics)
            try:
                step_ms = _step_ms(args, config, world, present)
            finally:
                world.sim.close()
            row = {"benchmark": "parked", "engine": world.sim.spec.engine, "physics": physics}
            row |= {"num_envs": args.num_envs, "bolts": bolts, "in_jumble": present}
            row |= {"step_ms": min(ms for ms, _ in step_ms), "cpu_ms": min(ms for _, ms in step_ms)}
            record.write(args.out, [row])


def _step_ms(args: Args, config: Config, world: World, present: int) -> list[tuple[float, float]]:
    """Milliseconds of a control step, by the engine's clock and of processor time, for each repeat."""
    sim = world.sim
    starts = world.task.starts(sim, config.env.bank_size, 0, compiled.jit)
    rows = np.arange(args.num_envs) % 16 + 16 * (present - 2)  # 16 starts for each number
    state = jax.tree.map(lambda leaf: leaf[rows], starts.state)
    joints = starts.joint_starts_rad[rows]
    state = state.with_robot(joint_pos=joints)
    views = compiled.jit(sim.pack)(state)
    everywhere = jax.device_put(np.ones(args.num_envs, bool))
    found = []
    for _ in range(args.repeats + 1):  # the first one is not counted
        sim.write(everywhere, views)
        sim.report()()
        begun_s = time.process_time()
        for _ in range(args.steps):
            sim.step(joints)
        step_ms = sim.report()()["perf/sim_ms"] / args.steps
        found.append((step_ms, 1e3 * (time.process_time() - begun_s) / args.steps))
    return found[1:]


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
