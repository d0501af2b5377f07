"""What the hand-overs cost the host: `python -m benchmarks.bridge`.

Microseconds of host time a control step spends in each part of the bridge, with the device's own
time beside it: as long as the sum is below the device's, it hides behind physics. What of a control
step is not physics, all hand-overs and the transition, stands in the last column.
"""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro

from benchmarks import record
from benchmarks.start import fresh_state
from screwpush_jax import compiled
from screwpush_jax.config import Config
from screwpush_jax.setup import World, make_world, use_device
from sim.options import IsaacGymConfig


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    num_envs: tuple[int, ...] = (4096, 32768)
    """Numbers of environments."""
    sim: str = "auto"
    """Engine."""
    isaacgym: IsaacGymConfig = IsaacGymConfig()
    """How the engine isaacgym runs."""
    repeats: int = 100
    """Calls that are timed."""
    out: Path = Path("benchmarks/results/bridge.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    small = dataclasses.replace(Config().separate, bank_size=64)
    config = dataclasses.replace(Config(), sim=args.sim, separate=small, isaacgym=args.isaacgym)
    use_device(config)
    for num_envs in args.num_envs:
        config = dataclasses.replace(config, num_envs=num_envs)
        world = make_world(config, num_envs)
        try:
            record.write(args.out, [measure(args, config, world)])
        finally:
            world.sim.close()


def measure(args: Args, config: Config, world: World) -> dict:
    """The row of one number of environments, with the arm at rest."""
    sim, state = world.sim, fresh_state(config, world)
    carry, bank, learner = state.carry, state.bank, state.learner
    transition = compiled.compile_transition(world.parts)

    def act() -> None:
        nonlocal carry, targets, mask, views
        targets, mask, views, carry = transition(
            bank, learner.policy, carry=carry, views=sim.views()
        )

    targets, mask, views, carry = transition(bank, learner.policy, carry=carry, views=sim.views())
    parts = {
        "views": sim.views,
        "write": lambda: sim.write(mask, views),
        "step": lambda: sim.step(targets),
        "views and transition": act,
    }
    row = {"benchmark": "bridge", "num_envs": sim.spec.num_envs, "engine": sim.spec.engine}
    for name, part in parts.items():
        row[f"{name} us"] = host_us(world, part, args.repeats)
    jax.block_until_ready(jax.tree.map(jnp.copy, sim.views()))
    sim.report()
    begun = time.perf_counter()
    for _ in range(args.repeats):
        act()
        sim.write(mask, views)
        sim.step(targets)
    jax.block_until_ready(jax.tree.map(jnp.copy, sim.views()))
    wall_us = 1e6 * (time.perf_counter() - begun) / args.repeats
    report = sim.report()()
    physics_ms = report["perf/sim_ms"] - report.get("perf/handover_ms", 0.0)
    row["device: physics us"] = 1e3 * physics_ms / args.repeats
    row["device: transition us"] = 1e3 * report["perf/transition_ms"] / args.repeats
    row["all but physics us"] = wall_us - row["device: physics us"]
    return row


def host_us(world: World, part: Callable[[], object], repeats: int) -> dict[str, float]:
    """Host time of one call on an idle device."""
    times = []
    for _ in range(repeats + 5):
        jax.block_until_ready(jax.tree.map(jnp.copy, world.sim.views()))
        begun = time.perf_counter()
        part()
        times.append(1e6 * (time.perf_counter() - begun))
    return record.spread(times[5:])


if __name__ == "__main__":
    main(tyro.cli(Args))
