"""Loggers on disk: what the metrics file gives back, and that no logger can end a run."""

import json

import pytest
from tensorboardX import record_writer

from screwpush_jax.config import LogConfig, config_type
from screwpush_jax.loggers import read_metrics
from screwpush_jax.loggers.run_loggers import Loggers
from screwpush_jax.run_folder import METRICS_FILE

Config = config_type()


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
        # four writes a record; two records, a flush, four records and a flush before the first row
        room = {"full disk": 0, "disk that fills": 60, "disk full at last": 4 * 46 + 2}[broken]
        monkeypatch.setattr(record_writer, "open_file", lambda path: Disk(room))
    log(tmp_path, 1, 40)  # more than any queue takes
    (said,) = capsys.readouterr().err.splitlines()
    assert "TensorBoard" in said
    assert len(read_metrics(tmp_path)) == 40


@pytest.mark.parametrize("to", [(), ("jsonl",), ("wandb",), ("tensorboard",)])
def test_the_runs_own_file_is_written_whatever_else_is(to, tmp_path):
    log(tmp_path, 1, 3, config=Config(log=LogConfig(to=to)))
    assert len(read_metrics(tmp_path)) == 3
    assert (tmp_path / "tensorboard").exists() == ("tensorboard" in to)
