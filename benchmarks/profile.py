"""Where the device's time goes, kernel by kernel: `python -m benchmarks.profile --checkpoint best`.

Traces the physics of a control step, a transition and an update on a GPU, each alone, and writes
the sums as rows. Kernels inside a graph's conditional loop (the contact solver's) are counted once
by the tracer, so that physics is longer than the sum of its rows; throughput has the whole.
"""

import collections
import dataclasses
import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks import record
from benchmarks.settings import FromZeroInt, PositiveInt, parse
from benchmarks.start import fresh_state, trained
from screwpush_jax import cli, compiled
from screwpush_jax.build import make_world
from screwpush_jax.device import use_device


@dataclasses.dataclass(frozen=True)
class Args:
    """What to trace."""

    checkpoint: str = "best"
    """Whose policy acts: latest, best, a run's folder."""
    num_envs: PositiveInt = 4096
    """Environments."""
    warm_steps: FromZeroInt = 40
    """Control steps before the trace, so that contacts are the policy's."""
    top: PositiveInt = 20
    """Kernels listed for each part."""
    runs_dir: str = "runs"
    """Where the checkpoint is searched."""
    out: Path = Path("benchmarks/results/profile.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    found, config = trained(args.checkpoint, args.runs_dir)
    config = dataclasses.replace(config, num_envs=args.num_envs, sim="auto")
    use_device(config)
    world = make_world(config, args.num_envs, "train")
    sim = world.sim
    state = fresh_state(config, world, found)
    learner, carry, starts = state.learner, state.carry, state.starts
    transition = compiled.compile_transition(world.env, world.algorithm)
    update = compiled.compile_update(world.algorithm, 1000)

    def act() -> jax.Array:
        nonlocal carry, targets
        targets, mask, views, carry = transition(
            starts, learner.policy, carry=carry, views=sim.views()
        )
        sim.write(mask, views)
        return targets

    def learn() -> jax.Array:
        nonlocal learner
        learner, metrics = update(learner, carry.rollout, carry.tally)
        return metrics["actor/loss"]

    def push() -> jax.Array:
        sim.step(targets)
        return jnp.copy(sim.views()["qpos"])

    targets = carry.env.control
    for _ in range(args.warm_steps):
        act()
        push()
    learn()
    parts: dict[str, Callable[[], jax.Array]] = {
        "transition": act,
        "physics": push,
        "update": learn,
    }
    for name, part in parts.items():
        record.write(args.out, [trace(args, name, part)])
    sim.close()


def trace(args: Args, name: str, part: Callable[[], jax.Array], calls: int = 3) -> dict:
    """The row of one part: kernels by their device time in one call."""
    part().block_until_ready()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(calls):
                part().block_until_ready()
        (path,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    time_us, count = _device_time(events)
    return {
        "benchmark": "profile",
        "what": name,
        "num_envs": args.num_envs,
        "device_us": round(sum(time_us.values()) / calls, 1),
        "kernels": sum(count.values()) / calls,
        "top": [
            [kernel[:80], round(us / calls, 1), count[kernel] / calls]
            for kernel, us in time_us.most_common(args.top)
        ],
    }


def _device_time(events: list[dict]) -> tuple[collections.Counter, collections.Counter]:
    """Time (us) and number of launches by kernel, of all that ran on a stream of a GPU."""
    names: dict[tuple, str] = {}
    for event in events:
        if event.get("name") == "process_name":
            names[event["pid"],] = event["args"]["name"]
        elif event.get("name") == "thread_name":
            names[event["pid"], event["tid"]] = event["args"]["name"]
    time_us, count = collections.Counter(), collections.Counter()
    for event in events:
        on_gpu = event.get("ph") == "X" and "GPU" in names.get((event["pid"],), "")
        if on_gpu and "Stream" in names.get((event["pid"], event["tid"]), ""):
            time_us[event["name"]] += event["dur"]
            count[event["name"]] += 1
    return time_us, count


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
