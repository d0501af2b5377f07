"""Takes a policy elsewhere: `python -m screwpush_jax.export --checkpoint best --format onnx`."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
from annotated_types import Gt

from screwpush_jax import cli, play_files
from screwpush_jax.build import World, make_world
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import FLAG_ONLY, Config
from screwpush_jax.disturbances import undisturbed
from screwpush_jax.errors import UsageError
from screwpush_jax.evaluate import check_unseen, load_policy
from screwpush_jax.policy_file.check import Differences, compare
from screwpush_jax.policy_file.controller import STEP, make_controller
from screwpush_jax.policy_file.describe import describe, describe_arrays
from screwpush_jax.policy_file.formats import FORMS, as_texts
from screwpush_jax.policy_file.recorded import Recorded, live_actions, record
from screwpush_jax.side_products import reason
from screwpush_jax.tasks.optional import Exportable
from screwpush_sim.physics import Name
from screwpush_sim.scene_file import build_scene_file

_ON_HOST = ("--device", "cpu", "--sim", "mujoco")
"""Where it runs unless flags say otherwise: full float32, the same states each time."""
_SCENES, _STARTS = 128, 16
"""Scenes that are recorded, and how many of their beginnings stand in the file."""


@dataclasses.dataclass(frozen=True)
class ExportArgs(cli.CommandArgs):
    """The run's own configuration; flags change it for this command only."""

    checkpoint: Annotated[str, FLAG_ONLY] = "latest"
    """latest, best, a run's name or folder, or a step's folder."""
    format: Literal["onnx", "jax"] = "onnx"
    """onnx: for ONNX Runtime; jax: a ZIP of what jax.export serialises."""
    output: str = ""
    """File that does not exist yet; by default policy-<step>.onnx or .jax.zip in the run's folder,
    with a number if that exists."""
    physics: Annotated[Name, FLAG_ONLY] = "eval"
    """Which of the scene's physics it is compared in, and stands in the file's scene."""
    observations: Annotated[int, Gt(0)] = 10_000
    """Recorded observations on which the file is compared with the live policy."""


def main(argv: Sequence[str]) -> None:
    prog = "python -m screwpush_jax.export"
    args, found = cli.configure(
        ExportArgs, [*_ON_HOST, *argv], prog, __doc__ or "", ExportArgs.checkpoint
    )
    assert found is not None
    form = FORMS[args.format]
    form.check_installed()
    output = play_files.choose_output(
        args.output, found.run_dir, f"policy-{found.step}", form.suffix
    )
    config = cli.fields_of(args, Config)
    check_unseen(config, found)
    with jax.default_matmul_precision("float32"):  # a GPU would round to TF32, live and exported
        differences = export(config, found, args, output)
    print(f"{differences.sentence()}: {output}")


def export(config: Config, found: Found, args: ExportArgs, output: Path) -> Differences:
    """Writes the file, reads it back, and gives it its name only if it is the live policy.

    Raises:
      UsageError: it is not, or the task or the converter does not allow it. Nothing is left then.
    """
    sound = dataclasses.replace(config, env=undisturbed(config.env))
    world = make_world(sound, _SCENES, args.physics)
    try:
        if not isinstance(world.task, Exportable):
            raise UsageError(f"--task {config.task} cannot be exported: it brings no `begin`")
        policy = load_policy(config, found, world)
        trained = f"{found.run_dir.name} at {found.step:,} control steps"
        print(f"recording {args.observations:,} observations of {trained}")
        recorded = record(world, policy, args.observations, config.eval.seed)
    finally:
        world.sim.close()
    return write(config, found, args, output, world, policy, recorded)


def write(
    config: Config,
    found: Found,
    args: ExportArgs,
    output: Path,
    world: World,
    policy: Any,
    recorded: Recorded,
) -> Differences:
    """The file of what was recorded. Errors as `export`."""
    task, algorithm, scene = world.task, world.algorithm, world.sim.spec.scene
    controller = make_controller(task, algorithm, policy, scene)
    description = describe(config, found, args.physics, task, algorithm, policy)
    description |= describe_arrays(controller, scene)
    starts = jax.tree.map(lambda x: x[recorded.before[STEP] == 0][:_STARTS], recorded.state)
    texts = as_texts(description, build_scene_file(scene, starts))
    form, part = FORMS[args.format], output.absolute().with_name(f".export-{os.getpid()}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        print(f"writing {args.format}, and comparing it with the live policy")
        try:
            form.write(part, controller, texts)
            loaded = form.load(part)
        except Exception as error:  # a converter meets what it does not know in many ways
            raise UsageError(
                f"--format {args.format}: the policy cannot be written: {reason(error)}"
            ) from error
        seen = live_actions(world, policy, controller, recorded.before)
        differences = compare(loaded, controller, recorded, seen)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return differences


if __name__ == "__main__":
    cli.run(main)
