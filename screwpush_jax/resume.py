"""What a run that goes on may change, and whether anything of its budget is left."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from screwpush_jax import checkpoint_folder, run_folder
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config, to_tree
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.field_kinds import listed
from screwpush_jax.newest_episodes import NewestEpisodes, reached
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
    checkpoint_folder.check_goes_on(found)
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
    adapts = config.algorithm_options.schedule == "adaptive"
    fixed = [
        *listed(config, "FIXED_FIELDS"),
        *([f"{config.algorithm}.learning_rate"] if adapts else []),
    ]
    plain = to_tree(type(config)())  # an older version did not say what it did not know
    was = {path: _get(old, path) for path in fixed}
    was = {path: _get(plain, path) if value is None else value for path, value in was.items()}
    pairs = {path: (was[path], _get(new, path)) for path in fixed}
    in_all = old["num_envs"] * old.get("num_gpus", 1), config.all_envs
    if pairs.pop("num_envs", None) and in_all[0] != in_all[1]:
        pairs["num_envs"] = in_all
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


def more(config: Config, found: Found) -> list[str]:
    """The flags that give a run which has spent its budget as much again."""
    return [word for _, *flag in _limits(config, found) for word in flag]


def _spent(config: Config, found: Found) -> str:
    """Which limits were reached, by the flags that raise them; empty if none was."""
    return " and ".join(said for said, *_ in _limits(config, found))


def _limits(config: Config, found: Found) -> Iterator[tuple[str, str, str]]:
    """Of each limit that was reached: what was, its flag, and a value that raises it."""
    counters = found.meta["counters"]
    done = counters["iterations"] * config.batch_size
    if counters["iterations"] >= config.num_iterations:
        flag = "--total-env-steps"
        yield f"{done:,} control steps of {flag} {config.total_env_steps}", flag, str(2 * done)
    minutes, flag = counters["elapsed_s"] / 60, "--max-minutes"
    if 0 < config.max_minutes <= minutes:
        yield f"{minutes:.1f} minutes of {flag} {config.max_minutes:g}", flag, f"{2 * minutes:.0f}"
    low = NewestEpisodes(counters.get("newest_episodes", ())).low(counters["iterations"])
    goal, flag = config.stop_at_success, "--stop-at-success"
    if reached(goal, low):
        yield f"success surely {low:.1%} with {flag} {goal:g}", flag, f"{(1 + low) / 2:.3f}"
