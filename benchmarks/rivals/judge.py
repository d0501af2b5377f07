"""The same examination for every learner's policies: unseen episodes in the physics `eval`."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks.rivals.watch import CountedBatch, Policy
from screwpush_jax.config import Config
from screwpush_jax.field_kinds import with_values
from screwpush_jax.score import wilson_interval

Step = Callable[[Any], Any]
Concatenate = Callable[[list[Any]], Any]
Door = Callable[[CountedBatch], Any]
"""From the batch to what the learner's policies step: the batch itself, or its tensors."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a policy came to."""

    episodes: int
    success_rate: float
    success_low: float
    success_high: float
    out_of_area: float
    episode_len: float


def judge(
    config: Config, door: Door, concatenate: Concatenate, policies: Sequence[Policy]
) -> tuple[list[Verdict], Verdict]:
    """Each policy on its share of the episodes of `config.eval`, and the last one on all of them.

    The start states are those of `python -m screwpush_jax.evaluate` with as many episodes.
    """
    count, seed = config.eval.episodes, config.eval.seed
    unseen = with_values(config, {"num_envs": count, "seed": seed})
    batch = CountedBatch(unseen, "eval", "once")
    try:
        share = count // len(policies)
        parts = [slice(k * share, (k + 1) * share) for k in range(len(policies))]
        rest = [slice(len(policies) * share, count)]

        def each(obs: Any) -> Any:
            """Who is left over acts as the last."""
            pairs = zip([*policies, policies[-1]], parts + rest, strict=True)
            return concatenate([policy(obs[part]) for policy, part in pairs])

        first = _run(batch, door(batch), each)
        whole = _run(batch, door(batch), policies[-1])
        of_each = [_verdict(batch, first[:, part]) for part in parts]
        return of_each, _verdict(batch, whole)
    finally:
        batch.close()


def _run(batch: CountedBatch, stepper: Any, act: Policy) -> np.ndarray:
    """Figures `[F, N]` of one episode in each environment."""
    batch.newest = jnp.zeros_like(batch.newest)
    obs = stepper.reset(0).obs["policy"]
    for _ in range(batch.task.horizon):
        obs = stepper.step(act(obs)).obs["policy"]
    return np.asarray(batch.newest)


def _verdict(batch: CountedBatch, figures: np.ndarray) -> Verdict:
    mean = dict(zip(batch.figure_names, figures.mean(axis=1).tolist(), strict=True))
    rate, count = mean[batch.task.score], figures.shape[1]
    low, high = wilson_interval(rate, count)
    out = mean.get("out_of_area", 0.0)
    return Verdict(count, rate, low, high, out, mean["episode_len"])
