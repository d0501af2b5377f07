"""Names and folders that a user gives."""

import os
from pathlib import Path

import pytest

from screwpush_jax.config import check_run_path, check_runs_dir, config_type
from screwpush_jax.errors import UsageError
from screwpush_sim.engines.isaacgym.interpreter import find_python, worker_environment

Config = config_type()

GOOD_NAMES = ["a", "7", "gamma-0.98", "exp (1)", "a$^$", "two words", "_x", "\u00e4\u00f6", "\u5b9f\u9a13",
              "lr=1e-3,S@8", "a" * 100, "\u5b9f" * 66, "x~"]  # fmt: skip
BAD_NAMES = ["a/b", "../x", "a..b", "..", ".", ".hidden", "-v2", "--seed", "a*", "a?", "a[16]", "[", "]",
             "a\nb", "a\tb", "a\0b", "\x1b[31m", "a\\b", " a", "a ", "a" * 101, "\u5b9f" * 67, "a//b", "/",
             "~", "~x", "'", "a;b", "a|b", "a`b`", "a{b}", "a:b", "latest", "best", "\udcff", "\U0001f600",
             "a\u202eb", "x" * 10_000]  # fmt: skip


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_good_name_is_taken_and_fits_a_file_system(name, tmp_path):
    Config(name=name).check()
    (tmp_path / f"20261126-000000-{name}").mkdir()


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused(name):
    with pytest.raises(UsageError, match="--name .*valid: ") as caught:
        Config(name=name).check()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("folder", ["exp [1]", "a]", "[", "what?", "*", "ok/a[b/c"])
def test_a_run_whose_path_is_a_pattern_is_refused(folder, tmp_path, monkeypatch):
    for path in (tmp_path / folder, tmp_path / folder / "runs" / "separate" / "run"):
        with pytest.raises(UsageError, match="could not be read back; valid"):
            check_run_path(path)
    (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    with pytest.raises(UsageError, match="could not be read back"):
        check_run_path(Path("runs/separate/run"))  # the pattern stands above it


def test_a_run_in_an_odd_path_without_a_pattern_is_taken(tmp_path):
    check_run_path(tmp_path / "two words {x} (1) $a ^b # %" / "run")


def test_a_runs_folder_that_can_be_written_is_taken_and_left_alone(tmp_path):
    before = os.stat(tmp_path).st_mtime_ns
    check_runs_dir(tmp_path)
    check_runs_dir(tmp_path / "not" / "yet" / "there")
    assert not list(tmp_path.iterdir())
    assert os.stat(tmp_path).st_mtime_ns == before


def test_a_runs_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    for path in (
        tmp_path / "file",
        tmp_path / "file" / "below",
        tmp_path / "dangling",
        tmp_path / "dangling" / "below",
        Path("/proc/runs"),  # no one makes a folder there, root neither
        tmp_path / ("x" * 300),
    ):
        with pytest.raises(UsageError, match="--runs-dir .*valid: a folder that can be written"):
            check_runs_dir(path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--runs-dir file"):
        check_runs_dir(Path("file"))


def test_a_tilde_in_the_worker_s_paths_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    python = tmp_path / "python3.8"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    assert find_python("~/python3.8") == str(python)
    monkeypatch.setenv("SCREWPUSH_ISAACGYM_PYTHON", "~/python3.8")
    assert find_python("") == str(python)
    paths = worker_environment(str(python), "~/a:/b", "")["PYTHONPATH"]
    assert paths == f"{tmp_path}/a:/b"
