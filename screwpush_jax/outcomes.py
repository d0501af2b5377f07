"""How each of N evaluated episodes went, on the host, read from the device once at their end."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np

from screwpush_jax.episodes import Episodes
from screwpush_jax.tasks.endings import ended_by
from screwpush_jax.tasks.records import Records
from screwpush_jax.tasks.task import Task


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
