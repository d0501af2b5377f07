"""Evaluates a checkpoint on unseen episodes: `python -m screwpush_jax.evaluate --checkpoint best`."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import jax

from screwpush_jax import checkpoint, cli, eval_file
from screwpush_jax.build import World, make_world
from screwpush_jax.checkpoint import Found
from screwpush_jax.config import FLAG_ONLY, Config
from screwpush_jax.errors import UsageError
from screwpush_jax.evaluation import Result, examine
from screwpush_jax.side_products import attempt


@dataclasses.dataclass(frozen=True)
class EvaluateArgs(cli.CommandArgs):
    """The run's own configuration; flags change it for this evaluation only."""

    checkpoint: Annotated[str, FLAG_ONLY] = "latest"
    """latest, best, a run's name or folder, or a step's folder."""


def main(argv: Sequence[str]) -> None:
    prog = "python -m screwpush_jax.evaluate"
    args, found = cli.configure(EvaluateArgs, argv, prog, __doc__ or "", EvaluateArgs.checkpoint)
    assert found is not None
    run(cli.fields_of(args, Config), found)


def run(config: Config, found: Found) -> dict[str, Result]:
    """Evaluates, writes the results beside the run's metrics if it can, and prints them.

    Raises:
      UsageError: the episodes are none that the policy has not seen.
      SimError: the physics failed; results of earlier evaluations are as they were.
    """
    check_unseen(config, found)
    world = make_world(config, config.eval.episodes)
    try:
        policy = load_policy(config, found, world)
        results = examine(world, policy, config.eval.seed, config.eval.baselines)
        engine = world.sim.spec.engine
        path = None
        with attempt("the results could not be written"):  # another's run may be read-only
            path = eval_file.write(config, found, engine, results)
        print(
            f"{found.run_dir.name} at {found.step:,} control steps, engine {engine},"
            f" {config.eval.episodes} unseen episodes (seed {config.eval.seed}):"
        )
        for name, result in results.items():
            print(f"  {name:9} {result.sentence()}")
        if path is not None:
            print(f"  written to {path}")
    finally:
        world.sim.close()
    return results


def check_unseen(config: Config, found: Found) -> None:
    """Raises UsageError if evaluation would start from the states that training started from."""
    if config.eval.seed == found.meta["config"]["seed"]:
        raise UsageError(
            f"--eval.seed {config.eval.seed}: {found.run_dir.name} was trained on the start states"
            " of this seed; valid: any other"
        )


def load_policy(config: Config, found: Found, world: World) -> Any:
    """The checkpoint's policy, checked against the task's observation layout."""
    cli.check_layout(found, world.task.obs_layout)
    like = jax.eval_shape(world.algorithm.init, jax.random.key(0))
    return checkpoint.restore_learner(found, like).policy


if __name__ == "__main__":
    cli.run(main)
