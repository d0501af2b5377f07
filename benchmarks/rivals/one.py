"""One training and the judgement of its policies: a row and a curve."""

import dataclasses
import importlib
import time
from typing import Any

from benchmarks.rivals.judge import Verdict, judge
from benchmarks.rivals.watch import Watch, WatchedBatch, reached_s, windows
from screwpush_jax.config import Config
from screwpush_jax.field_kinds import with_values

MODULES = {"ours": "ours", "rsl_rl": "rsl_rl", "skrl": "skrl", "sb3": "sb3"}
"""Learners by name, and their modules here."""
PACKAGES = {"rsl_rl": "rsl-rl-lib", "skrl": "skrl", "sb3": "stable-baselines3"}
"""Those that they come in."""
LEVELS = (0.9, 0.98)


def run(
    name: str, published: bool, config: Config, num_envs: int, watch: Watch
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Trains `name` with its published settings or `config`'s; the row and the curve.

    `num_envs` is another number of environments than the settings' own; 0: theirs.
    """
    begun_s = time.perf_counter()
    module = importlib.import_module(f"benchmarks.rivals.{MODULES[name]}")
    count = num_envs or (module.NUM_ENVS if published else config.num_envs)
    config = with_values(config, {"num_envs": count})
    train = _ours if name == "ours" else _peer
    each, last = train(module, published, config, watch)
    curve = windows(watch.points)
    judged = [
        {"s": round(s, 2), "success_rate": verdict.success_rate, "episodes": verdict.episodes}
        for (s, _), verdict in zip(watch.policies, each, strict=True)
    ]
    newest = watch.points[-1]
    row = {
        "what": name,
        "settings": "published" if published else "ours",
        "seed": config.seed,
        "num_envs": count,
        "env_steps": newest.env_steps,
        "train_s": newest.s,
        "steps_per_s": newest.env_steps / newest.s,
        **{f"to_{level:.0%}_s".replace("%", ""): reached_s(curve, level) for level in LEVELS},
        **dataclasses.asdict(last),
        "judged": judged,
        "process_s": time.perf_counter() - begun_s,
    }
    return row, {"s": [round(s, 2) for s, _ in curve], "success_once": [r for _, r in curve]}


def _ours(
    module: Any, published: bool, config: Config, watch: Watch
) -> tuple[list[Verdict], Verdict]:
    assert not published
    return module.train(config, watch)


def _peer(
    module: Any, published: bool, config: Config, watch: Watch
) -> tuple[list[Verdict], Verdict]:
    import torch

    from screwpush_jax.doors.tensors import TensorBatch

    batch = WatchedBatch(config, watch)
    try:
        module.train(batch, config.seed, None if published else config.algorithm_options)
    finally:
        batch.close()
    policies = [policy for _, policy in watch.policies]
    with torch.inference_mode():
        return judge(batch.config, TensorBatch, torch.cat, policies)
