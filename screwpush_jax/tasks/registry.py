"""Which tasks there are. A task is one folder of pure functions and one line here."""

from collections.abc import Callable
from typing import Any

from screwpush_jax.tasks.separate.task import SeparateTask
from screwpush_jax.tasks.task import Task
from sim.protocol import SimSpec

TASKS: dict[str, Callable[[Any, SimSpec], Task]] = {
    "separate": SeparateTask,
}
