"""Ids under which Gymnasium knows the tasks."""

# pyright: reportMissingImports=false

import importlib.util

from screwpush_jax import plugins
from screwpush_jax.tasks import registry as tasks

_MODULE = "screwpush_jax.doors.gym"


def register() -> None:
    """Makes every task that is known now known to Gymnasium, where that is installed.

    To be called again by whoever registers a task after this package was imported.
    """
    plugins.load()
    if importlib.util.find_spec("gymnasium") is None:
        return
    import gymnasium

    for name in tasks.TASKS:
        if id_of(name) not in gymnasium.registry:
            gymnasium.register(
                id=id_of(name),
                entry_point=f"{_MODULE}:TaskEnv",
                vector_entry_point=f"{_MODULE}:TaskVectorEnv",
                kwargs={"task": name},
            )


def id_of(task: str) -> str:
    """`goal` is ScrewPush/Goal-v0, `two_words` ScrewPush/TwoWords-v0."""
    words = "".join(word[:1].upper() + word[1:] for word in task.split("_"))
    return f"ScrewPush/{words}-v0"
