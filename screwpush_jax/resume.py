"""What a run that goes on may change, and whether anything of its budget is left."""

import dataclasses
from typing import Any

from screwpush_jax import run_folder
from screwpush_jax.checkpoint import Found, check_goes_on
from screwpush_jax.config import Config, to_tree
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.tasks.separate.config import SeparateConfig
from sim import registry
from sim.assets.bolt import Bolt

_FIXED = (
    *("seed", "num_envs", "ppo.num_steps", "ppo.init_log_std"),
    *("scene.num_screws", *(f"scene.screw.{field.name}" for field in dataclasses.fields(Bolt))),
    *(f"separate.{name}" for name in SeparateConfig.START_FIELDS),
)
"""What the checkpoint's arrays have decided already."""


def is_newest(found: Found) -> bool:
    """Whether the run goes on in its own folder; from an older checkpoint a new run begins."""
    return found.step == run_folder.steps(found.run_dir)[-1]


def settle(config: Config, found: Found) -> Config:
    """The configuration with which the run of `found` goes on.

    Raises:
      CheckpointError: its format is an older one, or a value was asked for that would have no
        effect on it.
      UsageError: its budget is spent.
    """
    check_goes_on(found)
    _check_fixed(config, found)
    if is_newest(found):
        name = run_folder.run_name(found.run_dir) if found.meta["config"].get("name") else ""
        if config.name not in ("", name):
            raise UsageError(
                f"--name {config.name}: the run {found.run_dir} keeps its own; from an older"
                " checkpoint (the folder of its step) a new run begins, with a name of its own"
            )
        config = dataclasses.replace(config, name=name)
    _check_budget(config, found)
    return config


def _check_fixed(config: Config, found: Found) -> None:
    old, new = found.meta["config"], to_tree(config)
    engine = registry.choose(config.sim)[0]
    fixed = [*_FIXED, *(["ppo.learning_rate"] if config.ppo.schedule == "adaptive" else [])]
    pairs = {path: (_get(old, path), _get(new, path)) for path in fixed}
    pairs["sim"] = (found.meta["engine"], engine)
    changed = [f"{path} {was}" for path, (was, now) in pairs.items() if was != now]
    if changed:
        raise CheckpointError(
            f"a run goes on with its own {', '.join(changed)}; leave these flags out"
        )


def _get(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _check_budget(config: Config, found: Found) -> None:
    counters = found.meta["counters"]
    spent = []
    if counters["iterations"] >= config.num_iterations:
        steps = counters["iterations"] * config.batch_size
        spent.append(f"{steps:,} control steps of --total-env-steps {config.total_env_steps}")
    minutes = counters["elapsed_s"] / 60
    if 0 < config.max_minutes <= minutes:
        spent.append(f"{minutes:.1f} minutes of --max-minutes {config.max_minutes:g}")
    if spent:
        raise UsageError(
            f"the run {found.run_dir} has spent its budget, {' and '.join(spent)}; to go on, give"
            " more"
        )
