"""What the hand-overs cost the host: `python -m benchmarks.bridge`.

Microseconds of host time a control step spends in each part of the bridge, with the device's own
time beside it: as long as the sum is below the device's, it hides behind physics.
"""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro

from benchmarks import record
from screwpush_jax import compiled
from screwpush_jax.config import Config
from screwpush_jax.ppo.update import init_learner
from screwpush_jax.setup import World, make_world, use_device
from screwpush_jax.transition import init_carry


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    num_envs: tuple[int, ...] = (4096, 32768)
    """Numbers of environments."""
    sim: str = "auto"
    """Engine."""
    repeats: int = 100
    """Calls that are timed."""
    out: Path = Path("benchmarks/results/bridge.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    config = dataclasses.replace(Config(), sim=args.sim)
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
    sim, task = world.sim, world.task
    bank = task.build_bank(sim, 64, 0, compiled.jit_once)
    learner, carry = _init(config, world, bank)
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
    sim.report()
    for _ in range(20):
        act()
        sim.write(mask, views)
        sim.step(targets)
    report = sim.report()()
    row["device: physics us"] = 1e3 * report["perf/sim_ms"] / 20
    row["device: transition us"] = 1e3 * report["perf/transition_ms"] / 20
    return row


def _init(config: Config, world: World, bank):
    task, keys = world.task, jax.random.split(jax.random.key(0))
    learner = init_learner(config.ppo, task.obs_size, task.action_size, keys[0])
    carry = init_carry(task, bank, config.num_envs, config.ppo.num_steps, keys[1])
    return compiled.place((learner, carry))


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
