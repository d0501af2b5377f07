"""Which tasks there are. A task is one folder of pure functions, and one entry here.

One that lives outside this package is added by `register`, before a configuration is read.
"""

from screwpush_jax.errors import UsageError
from screwpush_jax.tasks.goal.task import GoalTask
from screwpush_jax.tasks.humanoid.task import HumanoidTask
from screwpush_jax.tasks.separate.task import SeparateTask
from screwpush_jax.tasks.task import Task

TASKS: dict[str, type[Task]] = {task.name: task for task in (SeparateTask, GoalTask, HumanoidTask)}
"""By name, in the order in which help lists them."""
DEFAULT = SeparateTask.name


def register(task: type[Task]) -> None:
    """Adds a task from outside this package.

    Raises:
      ValueError: the name is taken, or would be no name of a folder.
    """
    if task.name in TASKS or not task.name.isidentifier():
        taken = ", ".join(TASKS)
        raise ValueError(f"task name {task.name!r}; valid: an identifier other than {taken}")
    TASKS[task.name] = task


def find(name: str) -> type[Task]:
    """The task of this name.

    Raises:
      UsageError: there is none.
    """
    if name not in TASKS:
        raise UsageError(f"--task {name!r}; valid: {', '.join(TASKS)}")
    return TASKS[name]
