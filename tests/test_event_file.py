"""TensorBoard's files, read record by record and by the rule by which TensorBoard shows them."""

import os
import struct
import time

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from screwpush_jax.event_file import EventFile


def records(path):
    """The events of one file; a torn end is its end, as for TensorBoard."""
    data, at = path.read_bytes(), 0
    while at + 12 <= len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        if at + 16 + size > len(data):
            return
        yield Event.FromString(data[at + 12 : at + 12 + size])
        at += 16 + size


def shown(folder):
    """Points of each tag as TensorBoard shows them.

    It reads the files in the order of their names, and a session that starts at a step takes back
    all points from that step on.
    """
    points = {}
    for path in sorted(folder.iterdir()):
        for event in records(path):
            if event.HasField("session_log") and event.session_log.status == SessionLog.START:
                points = {tag: [p for p in old if p[0] < event.step] for tag, old in points.items()}
            for value in event.summary.value:
                points.setdefault(value.tag, []).append((event.step, value.simple_value))
    return points


def session(folder, first, last, value):
    one = EventFile(folder, 100 * (first - 1))
    for n in range(first, last + 1):
        one.write(n, 100 * n, {"env/return": value, "actor/loss": -value})
    return one


@pytest.mark.parametrize("clock", ["moves on", "stands still", "set back"])
def test_each_step_has_one_point_after_going_on(clock, tmp_path, monkeypatch):
    killed = session(tmp_path, 1, 13, 1.0)
    killed._records.flush()
    begun = time.time()
    if clock != "moves on":
        back_s = 3600.0 if clock == "set back" else 0.0
        monkeypatch.setattr(time, "time", lambda: begun - back_s)
    session(tmp_path, 11, 12, 2.0).close()  # killed again, before the next checkpoint
    session(tmp_path, 11, 20, 3.0).close()
    assert len(list(tmp_path.iterdir())) == 3
    expected = [(100 * n, 1.0 if n <= 10 else 3.0) for n in range(1, 21)]
    points = shown(tmp_path)
    assert points == {
        "env/return": expected,
        "actor/loss": [(step, -value) for step, value in expected],
    }
    killed.close()


def test_a_run_that_starts_over_takes_all_of_it_back(tmp_path):
    session(tmp_path, 1, 3, 1.0).close()  # failed before its first checkpoint
    session(tmp_path, 1, 2, 2.0).close()
    assert shown(tmp_path)["env/return"] == [(100, 2.0), (200, 2.0)]


def test_a_file_torn_in_the_middle_of_a_record_does_not_hide_the_next(tmp_path):
    session(tmp_path, 1, 5, 1.0).close()
    (torn,) = tmp_path.iterdir()
    os.truncate(torn, torn.stat().st_size - 9)
    session(tmp_path, 4, 6, 2.0).close()
    assert [step for step, _ in shown(tmp_path)["env/return"]] == [100, 200, 300, 400, 500, 600]
