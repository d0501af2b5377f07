"""TensorBoard's files, read record by record and by the rule by which TensorBoard shows them."""

import os
import struct
import time

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from screwpush_jax.config import config_type, from_tree
from screwpush_jax.event_file import EventFile
from screwpush_jax.loggers.provenance import hyperparameters, texts


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


Config = config_type()
CONFIG = from_tree({"seed": 3, "ppo": {"gamma": 0.5, "hidden_sizes": [8, 4]}}, Config, Config())


def described_session(folder, first, last, value):
    one = EventFile(folder, 100 * (first - 1))
    one.describe(hyperparameters(CONFIG, "mujoco"), ("env/return",), texts(CONFIG, "mujoco"))
    for n in range(first, last + 1):
        one.write(n, 100 * n, {"env/return": value})
    one.close()


def test_hyperparameters_are_those_that_decide_results():
    values = hyperparameters(CONFIG, "mujoco")
    assert (values["seed"], values["ppo.gamma"], values["ppo.hidden_sizes"]) == (3, 0.5, "[8, 4]")
    assert (values["task"], values["sim"]) == ("separate", "mujoco")
    assert "mujoco.solver_iterations" in values
    assert not [name for name in values if name.startswith(("isaacgym.", "physx.", "log."))]
    assert not {"runs_dir", "compile_cache", "device"} & values.keys()


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of tensorboard itself
def test_tensorboard_itself_reads_the_table_the_text_and_one_point_a_step(tmp_path):
    """By the code that answers its page: after a kill and another start."""
    pytest.importorskip("tensorboard")
    from tensorboard import context
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    described_session(tmp_path / "mine" / "tensorboard", 1, 13, 1.0)
    described_session(tmp_path / "mine" / "tensorboard", 11, 20, 2.0)
    read = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    read.Reload()
    run = "mine/tensorboard"
    assert [point.step for point in read.Tensors(run, "env/return")] == [
        100 * n for n in range(1, 21)
    ]
    provider = MultiplexerDataProvider(read, str(tmp_path))
    tables = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    ask = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=9)
    ask.allowed_statuses.extend(api_pb2.Status.values())
    (row,) = (
        list_session_groups.Handler(context.RequestContext(), tables, "", ask).run().session_groups
    )
    assert row.hparams["ppo.gamma"].number_value == 0.5
    assert row.hparams["task"].string_value == "separate"
    assert [(m.name.tag, m.value) for m in row.metric_values] == [("env/return", 2.0)]
    (text,) = {t.tensor_proto.string_val[0] for t in read.Tensors(run, "config/text_summary")}
    assert b"gamma: 0.5" in text
    (text,) = {t.tensor_proto.string_val[0] for t in read.Tensors(run, "provenance/text_summary")}
    assert b"engine: mujoco" in text
