"""Whether a checkpoint goes with what is asked for: task, algorithm, settings, layout of the observation."""

import dataclasses
from collections.abc import Sequence

from screwpush_jax.algorithms import registry as algorithms
from screwpush_jax.build import differences
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config, config_type_of, from_tree, text_of
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.tasks import registry as tasks


def same_task(found: Found, task: str) -> str:
    """The checkpoint's task, which has to be the one that was asked for, if any was."""
    own = found.meta.get("task")
    if not isinstance(own, str) or own not in tasks.TASKS:
        raise CheckpointError(
            f"checkpoint {found.run_dir.name}/{found.step} is of the task {own!r}, which is not"
            f" known here; valid: {', '.join(tasks.TASKS)}"
        )
    if task not in ("", own):
        tasks.find(task)
        raise CheckpointError(
            f"checkpoint {found.run_dir.name}/{found.step} is of --task {own}, not {task}"
        )
    return own


def same_algorithm(found: Found, algorithm: str) -> str:
    """The checkpoint's algorithm, which has to be the one that was asked for, if any was."""
    own = text_of(found.meta["config"], "algorithm") or algorithms.DEFAULT
    if own not in algorithms.ALGORITHMS or algorithm not in ("", own):
        algorithms.find(algorithm or own)
        raise CheckpointError(
            f"checkpoint {found.run_dir.name}/{found.step} is of --algorithm {own}, not {algorithm}"
        )
    return own


def config_of(found: Found) -> Config:
    """The checkpoint's configuration; engines that are not known here have no section."""
    kind = config_type_of({**found.meta["config"], "task": found.meta["task"]})
    known = {field.name for field in dataclasses.fields(kind)}
    tree = found.meta["config"]
    try:
        tree = {k: v for k, v in tree.items() if k in known or not isinstance(v, dict)}
        return from_tree(tree, kind, kind())
    except (AttributeError, UsageError) as error:
        raise CheckpointError(
            f"{found.run_dir}: its configuration does not fit this version: {error}"
        ) from None


def check_fits(
    config: Config,
    found: Found,
    old: Config,
    remedy: str = "leave these flags out or train anew",
) -> None:
    """Raises CheckpointError, with the `remedy`, if the policy of `found`, trained with `old`, cannot act here."""
    if changed := differences(config, old):
        raise CheckpointError(
            f"checkpoint {found.run_dir.name}/{found.step} was trained with other settings:"
            f" {'; '.join(changed)}; {remedy}"
        )


def check_layout(found: Found, layout: Sequence[Sequence[object]]) -> None:
    """Raises CheckpointError if the checkpoint's policy reads another observation."""
    old = [tuple(field) for field in found.meta.get("obs_layout", [])]
    new = [tuple(field) for field in layout]
    if old != new:
        wrong = [f"{o[0]}[{o[1]}:{o[2]}]" for o in old if o not in new] or ["(none stored)"]
        raise CheckpointError(
            f"checkpoint {found.run_dir.name}/{found.step} has another observation layout;"
            f" fields that do not fit: {', '.join(wrong)}"
        )
