"""TensorBoard's event files, written in the thread that trains.

tensorboardX's own writer hands its events to a thread; when that one fails, on a full disk for one,
the next event waits for it for ever. Its records and messages are used here without the thread.
"""

# pyright: reportAttributeAccessIssue=false
# protobuf makes the messages' classes when the module is imported.

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_FLUSH_EVERY_S = 10.0
_PREFIX = "events.out.tfevents."


class EventFile:
    """One more event file in `folder`, for the points after `env_steps_done`.

    It begins with a session's start, by which TensorBoard takes back what older files say of later
    steps: https://github.com/tensorflow/tensorboard, `EventAccumulator`.

    Raises:
      OSError: here and in each method, the folder or the disk.
    """

    def __init__(self, folder: Path, env_steps_done: int):
        # not at the top: it imports torch where there is one, which takes seconds
        from tensorboardX.proto import event_pb2, summary_pb2
        from tensorboardX.record_writer import RecordWriter

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        folder.mkdir(parents=True, exist_ok=True)
        self._records = RecordWriter(str(folder.absolute() / _next_name(folder)))
        self._flushed = time.monotonic()
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        try:
            self._add(self._event(file_version="brain.Event:2"))
            self._add(self._event(step=env_steps_done + 1, session_log=start))
            self._records.flush()
        except OSError:
            with contextlib.suppress(OSError):
                self._records.close()
            raise

    def write(self, iteration: int, env_steps: int, metrics: dict[str, float]) -> None:
        """Metrics by name at a number of environment steps."""
        del iteration
        values = [self._summary.Value(tag=k, simple_value=v) for k, v in metrics.items()]
        self._add(self._event(step=env_steps, summary=self._summary(value=values)))
        if time.monotonic() - self._flushed > _FLUSH_EVERY_S:
            self._records.flush()
            self._flushed = time.monotonic()

    def describe(
        self,
        hyperparameters: Mapping[str, bool | int | float | str],
        compared: Sequence[str],
        texts: Mapping[str, str],
    ) -> None:
        """Fills the tab HParams with the run's values and the metrics to compare, the tab Text."""
        from tensorboardX import summary

        tables = summary.hparams(dict(hyperparameters), dict.fromkeys(compared))[:2]
        for one in (*tables, *(summary.text(title, text) for title, text in texts.items())):
            self._add(self._event(summary=one))
        self._records.flush()

    def close(self) -> None:
        """Writes what is left. Not to be used afterwards."""
        try:
            self._records.flush()
        finally:
            self._records.close()

    def _add(self, event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())


def _next_name(folder: Path) -> str:
    """A name behind all others of the folder: TensorBoard reads files in the order of their names.

    So it counts up where the clock was set back, or has not yet moved on.
    """
    stamps = [path.name.removeprefix(_PREFIX)[:10] for path in folder.glob(f"{_PREFIX}*")]
    newest = max((int(stamp) for stamp in stamps if stamp.isdigit()), default=0)
    return f"{_PREFIX}{max(int(time.time()), newest + 1):010}.screwpush"
