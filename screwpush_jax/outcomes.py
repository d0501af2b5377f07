"""How each of N evaluated episodes went, on the host, read from the device once at their end."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np

from screwpush_jax.episodes import Episodes
from screwpush_jax.tasks.records import Records
from screwpush_jax.tasks.task import Task

SUCCESS, INVALID, TIME_LIMIT, OTHER = "success", "invalid", "time limit", "other"


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """Host arrays, episode n at row n."""

    ended_by: np.ndarray  # [N] str: what ended it
    figures: Mapping[str, np.ndarray]  # [N] each, by metric name
    records: Records
    """What the task watched."""

    @property
    def length(self) -> np.ndarray:
        """Control steps, `[N]`."""
        return self.figures["episode_len"]


def read(task: Task, episodes: Episodes) -> Outcomes:
    """Waits for the episodes, which have ended, and reads them."""
    figures, recording = jax.device_get((episodes.figures, episodes.recording))
    success = figures[task.score] > 0
    records = Records(success, recording.path, recording.last)
    return Outcomes(ended_by(task, figures), figures, records)


def ended_by(task: Task, figures: Mapping[str, np.ndarray]) -> np.ndarray:
    """What ended each episode, `[N]`: success, a metric of the task's that is true, and so on.

    Of several that hold the first counts: success, the task's in their order, invalid physics, the
    time limit.
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
