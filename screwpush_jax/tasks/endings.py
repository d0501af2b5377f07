"""What ended an episode of any task, by name."""

from collections.abc import Mapping

import numpy as np

from screwpush_jax.tasks.task import Task

SUCCESS, INVALID, TIME_LIMIT, OTHER = "success", "invalid", "time limit", "other"


def ended_by(task: Task, figures: Mapping[str, np.ndarray]) -> np.ndarray:
    """What ended each episode: success, a metric of the task's that is true, and so on.

    `figures [...]` are those of an episode's last step, and what comes back is `[...]`. Of several that hold the
    first counts: success, the task's in their order, invalid physics, the time limit.
    """
    own = [n for n in task.metrics if n != task.score and figures[n].dtype == bool]
    conditions = [
        figures[task.score] > 0,
        *(figures[name] for name in own),
        figures["invalid"],
        figures["episode_len"] >= task.horizon,
    ]
    names = [SUCCESS, *(name.replace("_", " ") for name in own), INVALID, TIME_LIMIT]
    return np.select(conditions, names, default=OTHER)
