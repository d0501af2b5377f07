"""A run that begins with the weights of another: `--init-from`, to fine-tune under other conditions.

It takes the policy alone, its networks and normalisers. Optimiser, learning rate, clock, environments
and keys are a fresh run's, and so is its configuration.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax

from screwpush_jax import checkpoint, checkpoint_folder, compatible
from screwpush_jax.build import World
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.loggers.provenance import PROVENANCE_FILE
from screwpush_jax.tasks import registry as tasks

KEY = "init_from"
"""Under which a run's provenance names where its weights came from."""


def find(config: Config, spec: str, goes_on: bool) -> Found | None:
    """The checkpoint that `spec` names, as `--checkpoint` does; None if it names nothing.

    Raises:
      UsageError: its policy is another task's or network's, or reads another observation, or the run
        `goes_on` with a checkpoint of its own.
    """
    if not spec:
        return None
    if goes_on:
        raise UsageError(f"--init-from {spec} begins a run; valid: without --checkpoint and --test")
    try:
        found = checkpoint_folder.find(spec, config.runs_path, config.task)
    except CheckpointError as error:
        raise CheckpointError(str(error).replace("--checkpoint", "--init-from", 1)) from None
    own = found.meta["task"]
    if own != config.task:
        raise UsageError(f"--init-from {spec} is a policy of --task {own}, not {config.task}")
    remedy = "valid with --init-from: the checkpoint's values"
    compatible.check_fits(config, found, compatible.config_of(found), remedy)
    compatible.check_layout(found, tasks.find(config.task)(config.env).obs_layout)
    return found


def with_weights(found: Found, world: World, learner: Any) -> Any:
    """A fresh `learner` with the policy of `found`.

    Raises:
      CheckpointError: damaged, or of other shapes.
    """
    like = jax.eval_shape(world.algorithm.init, jax.random.key(0))
    policy = checkpoint.restore_learner(found, like).policy
    return dataclasses.replace(learner, policy=policy)


def origin(source: Found | None, older: Path | None) -> dict[str, Any]:
    """For the provenance of a run that begins with `source`, or goes on with the one in `older`."""
    if source is not None:
        return {KEY: {"run": str(source.run_dir), "step": source.step}}
    try:
        kept = json.loads((older / PROVENANCE_FILE).read_bytes()).get(KEY) if older else None
    except (OSError, ValueError, AttributeError):
        kept = None
    return {KEY: kept} if kept else {}
