"""Evaluates a checkpoint on unseen episodes: `python -m screwpush_jax.evaluate --checkpoint best`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax

from screwpush_jax import checkpoint, checkpoint_folder, cli, compatible, eval_file, eval_report
from screwpush_jax.build import World, draw_params, make_world
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import FLAG_ONLY, Config
from screwpush_jax.disturbances import undisturbed
from screwpush_jax.episodes import LEARNED
from screwpush_jax.errors import UsageError
from screwpush_jax.evaluation import Result, examine
from screwpush_jax.filming import films
from screwpush_jax.score import Score
from screwpush_jax.side_products import attempt
from screwpush_sim.physics import Name


@dataclasses.dataclass(frozen=True)
class EvaluateArgs(cli.CommandArgs):
    """The run's own configuration; flags change it for this evaluation only."""

    checkpoint: Annotated[str, FLAG_ONLY] = "latest"
    """latest, best, a run's name or folder, or a step's folder."""
    physics: Annotated[Name, FLAG_ONLY] = "eval"
    """Which of the scene's physics steps it."""


def main(argv: Sequence[str]) -> None:
    prog = "python -m screwpush_jax.evaluate"
    args, found = cli.configure(EvaluateArgs, argv, prog, __doc__ or "", EvaluateArgs.checkpoint)
    assert found is not None
    films.check_installed(args)
    run(cli.fields_of(args, Config), found, args.physics)


def run(config: Config, found: Found, physics: Name = "eval") -> dict[str, Result]:
    """Evaluates in the physics of that name, writes the results beside the run's metrics if it can.

    Raises:
      UsageError: the episodes are none that the policy has not seen.
      SimError: the physics failed; results of earlier evaluations are as they were.
    """
    check_unseen(config, found)
    world = _make_world(config, physics)
    try:
        return _evaluate(config, world, found, physics)
    finally:
        world.sim.close()


def run_best(config: Config, run_dir: Path) -> dict[str, Result]:
    """Evaluates the best checkpoint of a run that has ended, in the physics `eval`.

    That is the better one of the newest and of the one that training rates best. Both are examined in
    that physics, on start states that are neither training's nor the evaluation's, and are ranked by
    what came of it from then on. Errors as `run`.
    """
    rivals = [checkpoint_folder.find_in(run_dir, best=best) for best in (True, False)]
    check_unseen(config, rivals[0])
    world = _make_world(config, "eval")
    try:
        if rivals[0].step != rivals[1].step:
            _rank(config, world, rivals)
        return _evaluate(config, world, checkpoint_folder.find_in(run_dir, best=True), "eval")
    finally:
        world.sim.close()


def _make_world(config: Config, physics: Name) -> World:
    episodes, seed = config.eval.episodes, config.eval.seed
    params = draw_params(config, episodes, seed) if config.eval.variation else None
    return make_world(config, episodes, physics, params)


def _rank(config: Config, world: World, rivals: Sequence[Found]) -> None:
    """Scores checkpoints by an examination of their own."""
    seed = next(s for s in (1, 2, 3) if s not in (config.seed, config.eval.seed))
    for found in rivals:
        policy = load_policy(config, found, world)
        result = examine(world, policy, seed, baselines=False)[LEARNED]
        score = Score.of_proportion(result.success_rate, result.episodes, "evaluation")
        with attempt("the score could not be kept"):
            checkpoint_folder.rescore(found, score)
        print(f"at {found.step:,} control steps: {result.sentence()}")


def _evaluate(config: Config, world: World, found: Found, physics: Name) -> dict[str, Result]:
    policy = load_policy(config, found, world)
    camera = films.for_evaluation(config, world)
    results = examine(world, policy, config.eval.seed, config.eval.baselines, camera)
    engine, stepped = world.sim.spec.engine, world.sim.spec.scene.physics
    params = world.sim.params if config.eval.variation else {}
    differing = f", scenes differ in {', '.join(params)}" if params else ""
    differing += ", with env.disturbance" if undisturbed(config.env) != config.env else ""
    path = None
    with attempt("the results could not be written"):  # another's run may be read-only
        path = eval_file.write(config, found, engine, physics, results)
    print(
        f"{found.run_dir.name} at {found.step:,} control steps, engine {engine}, physics"
        f" {physics} ({stepped.dt_s:g} s x {stepped.decimation}), {config.eval.episodes} unseen"
        f" episodes (seed {config.eval.seed}{differing}):"
    )
    for name, result in results.items():
        print(f"  {name:9} {result.sentence()}")
    if path is not None:
        print(f"  written to {path}")
        if camera is not None:
            folder = eval_file.video_folder(path, found.step, engine, physics)
            films.make_of_evaluation(config, world, camera, folder)
        with attempt("the report could not be written"):
            print(f"  report {eval_report.write(world, found, path, results)}")
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
    compatible.check_layout(found, world.task.obs_layout)
    like = jax.eval_shape(world.algorithm.init, jax.random.key(0))
    return checkpoint.restore_learner(found, like).policy


if __name__ == "__main__":
    cli.run(main)
