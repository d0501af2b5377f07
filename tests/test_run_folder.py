"""Whose run is whose: folders claimed by processes that are alive, and found by name."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from screwpush_jax import checkpoint_folder, run_folder
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.run_folder import RunFolder

ROOT = str(Path(__file__).parent.parent)
CLAIM = """
import sys
from pathlib import Path
from screwpush_jax import run_folder
from screwpush_jax.errors import UsageError
sys.stdin.readline()
try:
    print(run_folder.create(Path(sys.argv[1]), sys.argv[2]).path.name, flush=True)
except UsageError as error:
    print("refused:", error, flush=True)
sys.stdin.readline()
"""


def claimers(parent, name, count):
    """Processes that wait for a line to claim a run, and for another one to end."""
    return [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(parent), name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]


def say(process):
    process.stdin.write("\n")
    process.stdin.flush()


def all_at_once(processes):
    for process in processes:
        say(process)
    said = [process.stdout.readline().strip() for process in processes]
    for process in processes:
        process.communicate("\n", timeout=20)
    return said


@pytest.mark.slow
def test_of_processes_that_want_one_name_at_once_one_gets_it(tmp_path):
    said = all_at_once(claimers(tmp_path / "runs", "same", 6))
    refused = [text for text in said if text.startswith("refused")]
    assert len(refused) == 5, said
    assert all("--name same" in text and "another name" in text for text in refused)


@pytest.mark.slow
def test_runs_without_a_name_that_start_at_once_get_folders_of_their_own(tmp_path):
    assert len(set(all_at_once(claimers(tmp_path, "", 6)))) == 6


def test_a_process_that_was_killed_holds_nothing(tmp_path):
    (process,) = claimers(tmp_path, "first", 1)
    say(process)
    folder = tmp_path / process.stdout.readline().strip()
    with pytest.raises(UsageError, match=f"being trained by process {process.pid}"):
        RunFolder(folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    RunFolder(folder).release()


def test_a_run_that_ended_before_it_was_saved_leaves_its_name(tmp_path):
    with run_folder.create(tmp_path, "first") as folder:
        (folder.path / "config.yaml").write_text("seed: 0\n")
        (folder.path / run_folder.METRICS_FILE).touch()
    assert run_folder.runs(tmp_path) == []
    run_folder.create(tmp_path, "first").release()


def test_what_was_measured_before_it_is_kept_aside(tmp_path):
    for loss in range(3):
        with run_folder.create(tmp_path, "first") as folder:
            (folder.path / run_folder.METRICS_FILE).write_text(f'{{"loss": {loss}}}\n')
    aside = [p / run_folder.METRICS_FILE for p in tmp_path.iterdir() if p.suffix == ".unsaved"]
    assert sorted(json.loads(p.read_text())["loss"] for p in aside) == [0, 1]
    assert [run_folder.run_name(p) for p in run_folder.runs(tmp_path)] == ["first"]


def test_a_saved_run_keeps_its_name(tmp_path):
    save(tmp_path, "20260101-000000-first", {128: {}})
    with pytest.raises(UsageError, match="exists; take another name"):
        run_folder.create(tmp_path, "first")
    run_folder.create(tmp_path, "irst").release()


@pytest.mark.parametrize("below", ["", "more"])
def test_a_runs_folder_that_is_a_file_is_refused(tmp_path, below):
    (tmp_path / "runs").write_text("")
    with pytest.raises(UsageError, match="--runs-dir"):
        run_folder.create(tmp_path / "runs" / below, "first")


def save(task_dir, run, steps, saved_as=None):
    """A run whose checkpoints hold what `find` reads: `{step: {"at": ns, "score": {...}}}`."""
    for step, what in steps.items():
        folder = task_dir / run / "checkpoints" / str(step)
        for name in ("meta", "metrics"):
            (folder / name).mkdir(parents=True)
        stamp = {"commit_timestamp_nsecs": what.get("at", 0)}
        (folder / "_CHECKPOINT_METADATA").write_text(json.dumps(stamp))
        meta = {
            "format": checkpoint_folder.FORMAT,
            "run": saved_as or run,
            **dict.fromkeys(NEEDED, {}),
        }
        (folder / "meta" / "metadata").write_text(json.dumps(meta))
        (folder / "metrics" / "metrics").write_text(json.dumps(what.get("score", {})))
    return task_dir / run


NEEDED = ("config", "counters", "engine", "task", "obs_layout", "t")


def found(spec, tmp_path, **more):
    return checkpoint_folder.find(spec, tmp_path, "separate", **more)


def test_latest_is_the_run_that_was_saved_last(tmp_path):
    task_dir = tmp_path / "separate"
    save(task_dir, "20260101-000000-z", {128: {"at": 1}, 256: {"at": 7}})
    save(task_dir, "20260102-000000-a", {512: {"at": 5}})
    assert found("latest", tmp_path).run_dir.name == "20260101-000000-z"
    assert found("latest", tmp_path).step == 256


@pytest.mark.parametrize("copy", ["keep-20260101-000000-z", "20260101-000000-y", "0-copy"])
def test_a_copy_is_not_the_run_that_is_meant(tmp_path, copy):
    task_dir = tmp_path / "separate"
    save(task_dir, copy, {128: {"at": 3}}, saved_as="20260101-000000-z")
    save(task_dir, "20260101-000000-z", {128: {"at": 3}})
    assert found("latest", tmp_path).run_dir.name == "20260101-000000-z"


def test_a_name_is_the_whole_name(tmp_path):
    task_dir = tmp_path / "separate"
    save(task_dir, "20260101-000000-my-base", {128: {}})
    save(task_dir, "20260102-000000-base", {128: {}})
    assert found("base", tmp_path).run_dir.name == "20260102-000000-base"
    for spec in ("ase", "*", "b?se", "[b]ase", "my"):
        with pytest.raises(CheckpointError, match="nothing there"):
            found(spec, tmp_path)


def test_a_name_that_fits_several_runs_is_refused(tmp_path):
    for day in (1, 2):
        save(tmp_path / "separate", f"2026010{day}-000000-ppo", {128: {}})
    with pytest.raises(CheckpointError, match="20260101-000000-ppo, 20260102-000000-ppo"):
        found("ppo", tmp_path)
    assert found("20260101-000000-ppo", tmp_path).step == 128


def score(mean, low, count):
    return {"score": {"mean": mean, "low": low, "count": count, "source": "training"}}


def test_best_is_what_is_surely_good(tmp_path):
    lucky, sure = score(0.99, 0.95, 130), score(0.985, 0.979, 2000)
    save(tmp_path / "separate", "run", {128: sure, 256: lucky})
    assert found("best", tmp_path).step == 128
    assert found("latest", tmp_path).step == 256


def test_a_bare_rate_of_an_older_version_counts_for_one_episode(tmp_path):
    old = {128: {"score": {"success_once": 1.0}}, 256: {"score": {"success_once": 0.5}}}
    save(tmp_path / "separate", "run", {**old, 512: score(0.6, 0.4, 20)})
    assert found("best", tmp_path).step == 512
    save(tmp_path / "separate", "old", old)
    assert found("old", tmp_path).step == 256
    assert checkpoint_folder.find_in(tmp_path / "separate" / "old", best=True).step == 128


def test_a_run_is_claimed_before_its_checkpoint_is_chosen(tmp_path):
    run = save(tmp_path / "separate", "run", {128: {"at": 1}})
    step = found(
        "latest", tmp_path, claim=lambda path: save(path.parent, path.name, {256: {}})
    ).step
    assert (run.name, step) == ("run", 256)


def test_a_checkpoint_without_its_parts_is_damaged(tmp_path):
    run = save(tmp_path / "separate", "run", {128: {}})
    path = run / "checkpoints" / "128" / "meta" / "metadata"
    for text in ("", "[1]", "{", json.dumps({"format": checkpoint_folder.FORMAT}), "\xff"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(CheckpointError, match="damaged"):
            found("run", tmp_path)


@pytest.mark.parametrize(
    ("kept", "read"), [(1, True), (2, True), (3, True), (4, False), (0, False)]
)
def test_formats_whose_learner_is_read_are_found_and_others_are_named(tmp_path, kept, read):
    run = save(tmp_path / "separate", "run", {128: {}})
    path = run / "checkpoints" / "128" / "meta" / "metadata"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": kept}))
    if read:
        assert found("run", tmp_path).meta["format"] == kept
    else:
        with pytest.raises(CheckpointError, match=f"has format {kept}; valid: 1, 2, 3"):
            found("run", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_run_that_cannot_be_written_is_refused(tmp_path):
    folder = save(tmp_path, "run", {128: {}})
    folder.chmod(0o500)
    with pytest.raises(UsageError, match="copy"):
        RunFolder(folder)
