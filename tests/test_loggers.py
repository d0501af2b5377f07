"""Loggers: what the metrics file gives back, and that no logger can end a run."""

import json
import sys
import types

import pytest
from tensorboardX import record_writer

from screwpush_jax import loggers
from screwpush_jax.config import LogConfig, config_type
from screwpush_jax.errors import UsageError
from screwpush_jax.loggers import Loggers, check_installed, read_metrics
from screwpush_jax.run_folder import METRICS_FILE

Config = config_type()

WANDB = Config(log=LogConfig(wandb=True))


def log(folder, first, last, loss=1.0, config=None):
    """Logs iterations `first` to `last` of 100 steps each, as one process does."""
    one = Loggers(folder, config or Config(), 100 * (first - 1))
    for iteration in range(first, last + 1):
        one.write(iteration, 100 * iteration, {"actor/loss": loss})
    one.close()


def strict(line):
    """What a reader without Python's own NaN makes of a line."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(line, parse_constant=refuse)


def test_iterations_done_again_replace_what_they_were_before(tmp_path):
    log(tmp_path, 1, 4, loss=1.0)
    log(tmp_path, 3, 5, loss=2.0)  # killed after 4, gone on from 2
    rows = read_metrics(tmp_path)
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["actor/loss"] for row in rows] == [1.0, 1.0, 2.0, 2.0, 2.0]


def test_what_was_not_done_again_is_no_part_of_the_run(tmp_path):
    log(tmp_path, 1, 6, loss=1.0)
    log(tmp_path, 3, 4, loss=2.0)
    assert [row["actor/loss"] for row in read_metrics(tmp_path)] == [1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("cut", [1, 2, 10, 40, 52])
def test_a_torn_last_line_is_mended(cut, tmp_path, capsys):
    log(tmp_path, 1, 3)
    path = tmp_path / METRICS_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    log(tmp_path, 4, 5)
    lines = path.read_bytes().splitlines()
    kept = 3 if cut == 1 else 2  # without its newline a row is still whole
    assert [strict(line)["iteration"] for line in lines] == [*range(1, kept + 1), 4, 5]
    assert [row["iteration"] for row in read_metrics(tmp_path)] == [*range(1, kept + 1), 4, 5]
    assert capsys.readouterr().err == ""


def test_damaged_lines_are_left_out_and_counted(tmp_path, capsys):
    log(tmp_path, 1, 3)
    path = tmp_path / METRICS_FILE
    good = path.read_bytes().splitlines()
    bad = [b'{"iteration": 2, "env', b"\0\0\0", b"\xff\xfe", b"[1]", b"{}", b"[" * 9999]
    path.write_bytes(b"\n".join([bad[0], good[0], *bad[1:4], good[1], b"", *bad[4:], good[2]]))
    assert [row["iteration"] for row in read_metrics(tmp_path)] == [1, 2, 3]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert METRICS_FILE in said[0]
    assert " 6 " in said[0]


def test_what_is_not_finite_is_null_on_disk_and_missing_for_readers(tmp_path):
    one = Loggers(tmp_path, Config())
    values = {"a": float("nan"), "b": float("inf"), "c": -float("inf"), "d": 0.5}
    one.write(1, 100, values)
    one.close()
    row = strict((tmp_path / METRICS_FILE).read_text())
    assert row == {"iteration": 1, "env_steps": 100, "a": None, "b": None, "c": None, "d": 0.5}
    assert read_metrics(tmp_path) == [{"iteration": 1, "env_steps": 100, "d": 0.5}]


def test_a_full_disk_is_said_once_and_the_others_go_on(tmp_path, capsys):
    (tmp_path / METRICS_FILE).symlink_to("/dev/full")
    log(tmp_path, 1, 3)
    (said,) = capsys.readouterr().err.splitlines()
    assert METRICS_FILE in said
    assert "No space left" in said
    assert list((tmp_path / "tensorboard").iterdir())


class Disk:
    """A file on a disk with room for some writes."""

    def __init__(self, room):
        self._room = room

    def write(self, data):
        self._room -= 1
        if self._room < 0:
            raise OSError(28, "No space left on device")

    def flush(self):
        self.write(b"")

    close = flush


@pytest.mark.parametrize("broken", ["folder", "full disk", "disk that fills", "disk full at last"])
def test_tensorboard_may_fail(broken, tmp_path, capsys, monkeypatch):
    if broken == "folder":
        (tmp_path / "tensorboard").write_text("in the way")
    else:
        # four writes a record, two records and a flush before the first row
        room = {"full disk": 0, "disk that fills": 50, "disk full at last": 4 * 42 + 1}[broken]
        monkeypatch.setattr(record_writer, "open_file", lambda path: Disk(room))
    log(tmp_path, 1, 40)  # more than any queue takes
    (said,) = capsys.readouterr().err.splitlines()
    assert "TensorBoard" in said
    assert len(read_metrics(tmp_path)) == 40


class Service(types.ModuleType):
    """A logging service that fails in one of its calls, the third time."""

    def __init__(self, fails, error):
        super().__init__("wandb")
        self.calls, self._fails, self._error = [], fails, error

    def _called(self, name):
        self.calls.append(name)
        if name == self._fails and (name != "log" or self.calls.count("log") == 3):
            raise self._error

    def init(self, **_):
        self._called("init")

    def log(self, metrics, step):
        self._called("log")

    def finish(self):
        self._called("finish")


@pytest.mark.parametrize("error", [RuntimeError("offline\nagain"), SystemExit(1)])
@pytest.mark.parametrize("fails", ["init", "log", "finish"])
def test_a_service_that_fails_is_left_out(fails, error, tmp_path, capsys, monkeypatch):
    service = Service(fails, error)
    monkeypatch.setitem(sys.modules, "wandb", service)
    log(tmp_path, 1, 5, config=WANDB)
    (said,) = capsys.readouterr().err.splitlines()
    assert "wandb" in said
    assert service.calls.count("log") == {"init": 0, "log": 3, "finish": 5}[fails]
    assert len(read_metrics(tmp_path)) == 5


def test_a_service_that_is_gone_is_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    log(tmp_path, 1, 2, config=WANDB)
    (said,) = capsys.readouterr().err.splitlines()
    assert "wandb" in said
    assert len(read_metrics(tmp_path)) == 2


def test_a_service_gets_each_row(tmp_path, capsys, monkeypatch):
    service = Service("", None)
    monkeypatch.setitem(sys.modules, "wandb", service)
    log(tmp_path, 1, 3, config=WANDB)
    assert service.calls == ["init", "log", "log", "log", "finish"]
    assert capsys.readouterr().err == ""


def test_a_service_that_cannot_be_used_is_refused(tmp_path, monkeypatch):
    def broken(name):
        raise AttributeError("module 'numpy' has no attribute 'float_'\nmore")

    with monkeypatch.context() as patch:
        patch.setattr(loggers.importlib, "import_module", broken)
        with pytest.raises(UsageError, match="float_.*pip install") as refused:
            check_installed(WANDB)
        assert "\n" not in str(refused.value)
    (tmp_path / "wandb").mkdir()  # what the service itself leaves: a package to Python
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="pip install"):
        check_installed(WANDB)
