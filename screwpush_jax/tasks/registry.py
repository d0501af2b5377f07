"""Which tasks there are. A task is one folder of pure functions and one line here."""

from screwpush_jax.tasks.goal.task import GoalTask
from screwpush_jax.tasks.separate.task import SeparateTask
from screwpush_jax.tasks.task import Task

TASKS: dict[str, type[Task]] = {
    "separate": SeparateTask,
    "goal": GoalTask,
}
