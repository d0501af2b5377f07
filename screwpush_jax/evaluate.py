"""Evaluates a checkpoint on unseen episodes: `python -m screwpush_jax.evaluate --checkpoint best`."""

import dataclasses
import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import jax

from screwpush_jax import checkpoint, cli
from screwpush_jax.checkpoint import Found
from screwpush_jax.config import FLAG_ONLY, Config
from screwpush_jax.evaluation import Result, examine
from screwpush_jax.ppo.types import Policy
from screwpush_jax.ppo.update import init_learner
from screwpush_jax.setup import World, make_world


@dataclasses.dataclass(frozen=True)
class EvaluateArgs(Config):
    """The run's own configuration; flags change it for this evaluation only."""

    config: Annotated[str, FLAG_ONLY] = ""
    """YAML file with values for the fields below; flags come on top."""
    checkpoint: Annotated[str, FLAG_ONLY] = "latest"
    """latest, best, a run's name or folder, or a step's folder."""


def main(argv: Sequence[str]) -> None:
    prog = "python -m screwpush_jax.evaluate"
    args, found = cli.configure(EvaluateArgs, argv, prog, __doc__ or "", EvaluateArgs.checkpoint)
    assert found is not None
    run(cli.fields_of(args, Config), found)


def run(config: Config, found: Found) -> dict[str, Result]:
    """Evaluates, prints, and writes `eval-<step>-<engine>.json` beside the run's metrics."""
    world = make_world(config, config.eval.episodes)
    try:
        policy = load_policy(config, found, world)
        results = examine(world, policy, config.eval.seed, config.eval.baselines)
    finally:
        world.sim.close()
    engine = world.sim.spec.engine
    print(
        f"{found.run_dir.name} at {found.step:,} control steps, engine {engine},"
        f" {config.eval.episodes} unseen episodes (seed {config.eval.seed}):"
    )
    for name, result in results.items():
        print(f"  {name:9} {result.sentence()}")
    path = found.run_dir / f"eval-{found.step}-{engine}.json"
    rows = {name: dataclasses.asdict(result) for name, result in results.items()}
    path.write_text(json.dumps({"step": found.step, "engine": engine, **rows}, indent=1) + "\n")
    return results


def load_policy(config: Config, found: Found, world: World) -> Policy:
    """The checkpoint's policy, checked against the task's observation layout."""
    task = world.task
    cli.check_layout(found, task.obs_layout)
    init = partial(init_learner, config.ppo, task.obs_size, task.action_size)
    like = jax.eval_shape(init, jax.random.key(0))
    return checkpoint.restore_learner(found, like).policy


if __name__ == "__main__":
    cli.run(main)
