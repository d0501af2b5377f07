"""What a run that goes on may change, and whether anything of its budget is left."""

import dataclasses
from typing import Any

from screwpush_jax import checkpoint, run_folder
from screwpush_jax.checkpoint import Found
from screwpush_jax.config import Config, to_tree
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.field_kinds import listed
from screwpush_sim import registry


def is_newest(found: Found) -> bool:
    """Whether the run goes on in its own folder; from an older checkpoint a new run begins."""
    return found.step == run_folder.steps(found.run_dir)[-1]


def settle(config: Config, found: Found) -> Config:
    """The configuration with which the run of `found` goes on.

    Raises:
      CheckpointError: its format is an older one, or a value was asked for that would have no
        effect on it.
      UsageError: its budget is spent, and it was evaluated.
    """
    checkpoint.check_goes_on(found)
    _check_fixed(config, found)
    if is_newest(found):
        name = run_folder.run_name(found.run_dir) if found.meta["config"].get("name") else ""
        if config.name not in ("", name):
            raise UsageError(
                f"--name {config.name}: the run {found.run_dir} keeps its own; from an older"
                " checkpoint (the folder of its step) a new run begins, with a name of its own"
            )
        config = dataclasses.replace(config, name=name)
    if not is_to_be_evaluated(config, found) and (spent := _spent(config, found)):
        raise UsageError(
            f"the run {found.run_dir} has spent its budget, {spent}; to go on, give more"
        )
    return config


def is_to_be_evaluated(config: Config, found: Found) -> bool:
    """Whether the run was trained to its end and something came between it and its evaluation."""
    evaluated = any(found.run_dir.glob("eval-*.json"))
    return is_newest(found) and not evaluated and bool(_spent(config, found))


def _check_fixed(config: Config, found: Found) -> None:
    old, new = found.meta["config"], to_tree(config)
    engine = registry.choose(config.sim)[0]
    fixed = [
        *listed(config, "FIXED_FIELDS"),
        *(["ppo.learning_rate"] if config.ppo.schedule == "adaptive" else []),
    ]
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


def _spent(config: Config, found: Found) -> str:
    """Which limits were reached, by the flags that raise them; empty if none was."""
    counters = found.meta["counters"]
    spent = []
    if counters["iterations"] >= config.num_iterations:
        steps = counters["iterations"] * config.batch_size
        spent.append(f"{steps:,} control steps of --total-env-steps {config.total_env_steps}")
    minutes = counters["elapsed_s"] / 60
    if 0 < config.max_minutes <= minutes:
        spent.append(f"{minutes:.1f} minutes of --max-minutes {config.max_minutes:g}")
    return " and ".join(spent)
