"""Time of one PPO update: `python -m benchmarks.update`.

Random samples of the shapes that training has; the arithmetic that the network needs is counted and
set against the time.
"""

import dataclasses
import time
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks import record
from benchmarks.settings import PositiveInt, parse
from screwpush_jax import cli, compiled
from screwpush_jax.algorithms.algorithm import Algorithm, blank_step
from screwpush_jax.algorithms.common.rollout import init_rollout
from screwpush_jax.algorithms.common.types import Rollout
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.config import config_type
from screwpush_jax.device import use_device
from screwpush_jax.transition import Tally


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    num_envs: tuple[PositiveInt, ...] = (4096, 16384)
    """Numbers of environments, one row each."""
    obs_size: PositiveInt = 77
    """O."""
    action_size: PositiveInt = 6
    """A."""
    repeats: PositiveInt = 30
    """Timed updates, after three that are not."""
    ppo: PPOConfig = PPOConfig()
    """The learner."""
    out: Path = Path("benchmarks/results/update.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    use_device(config_type()())
    record.write(args.out, [measure(args, num_envs) for num_envs in args.num_envs])


def measure(args: Args, num_envs: int) -> dict:
    """The row of one batch size."""
    ppo = args.ppo
    algorithm = PPO(ppo, {"policy": args.obs_size}, args.action_size)
    learner = algorithm.init(jax.random.key(0))
    rollout = random_rollout(algorithm, num_envs)
    learner, rollout = compiled.place((learner, rollout))
    update = compiled.compile_update(algorithm, 1000)
    tally = Tally(finished={}, episodes=jnp.zeros(()))
    seconds = []
    for _ in range(args.repeats + 3):
        begun = time.perf_counter()
        learner, metrics = update(learner, rollout, tally)
        jax.block_until_ready((learner, metrics))
        seconds.append(time.perf_counter() - begun)
    spread = record.spread([1e3 * s for s in seconds[3:]])
    flop = network_flop(args) * num_envs * ppo.num_steps * ppo.num_epochs
    return {
        "benchmark": "update",
        "num_envs": num_envs,
        "samples": num_envs * ppo.num_steps,
        "num_epochs": ppo.num_epochs,
        "num_minibatches": ppo.num_minibatches,
        "unit": "ms",
        **spread,
        "tflop_per_s": 1e-9 * flop / spread["median"],
    }


def network_flop(args: Args) -> float:
    """Operations of both trunks' matrix products for one sample: forward and twice that back."""
    flop = 0.0
    for outputs in (args.action_size, 1):
        sizes = (args.obs_size, *args.ppo.hidden_sizes, outputs)
        flop += sum(6.0 * a * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))
    return flop


def random_rollout(algorithm: Algorithm, num_envs: int) -> Rollout:
    """A rollout `[T, N, ...]` of noise."""
    keys = iter(jax.random.split(jax.random.key(1), 16))

    def noise(leaf: jax.Array) -> jax.Array:
        if leaf.dtype == bool:
            return jax.random.bernoulli(next(keys), 0.01, leaf.shape)
        return jax.random.normal(next(keys), leaf.shape)

    blank = init_rollout(algorithm.num_steps, blank_step(algorithm, num_envs)[1])
    return jax.tree.map(noise, blank)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
