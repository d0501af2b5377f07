"""The list of runs on disk: what each is said to be, and what is in the way of it costs one line."""

import dataclasses
import json
import os
import time

import pytest

from screwpush_jax import checkpoint_folder, runs
from screwpush_jax.errors import UsageError
from screwpush_jax.run_folder import RunFolder
from screwpush_jax.score import Score


def saved(run_dir, step, score=None, age_s=0.0, engine="mujoco"):
    """A checkpoint's folder with nothing in it but what tells of it."""
    folder = run_dir / "checkpoints" / str(step)
    (folder / "meta").mkdir(parents=True)
    (folder / "metrics").mkdir()
    meta = {"config": {}, "counters": {}, "engine": engine, "task": "separate"}
    meta |= {"format": checkpoint_folder.FORMAT, "obs_layout": [], "t": 0}
    (folder / "meta/metadata").write_text(json.dumps(meta))
    stamp = {"commit_timestamp_nsecs": int(1e9 * (time.time() - age_s))}
    (folder / "_CHECKPOINT_METADATA").write_text(json.dumps(stamp))
    if score:
        (folder / "metrics/metrics").write_text(json.dumps(dataclasses.asdict(score)))


def logged(run_dir, *env_steps):
    run_dir.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"iteration": n, "env_steps": steps}) for n, steps in enumerate(env_steps)]
    (run_dir / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def evaluated(run_dir, name, rate, **changes):
    made_with = {"step": 300, "engine": "mujoco", "physics": "eval", "settings": {}} | changes
    rates = {"success_rate": rate, "success_low": rate / 2, "success_high": 1.0, "episodes": 64}
    (run_dir / name).write_text(json.dumps(made_with | {"learned": rates}))


@pytest.fixture
def listed(tmp_path, capsys):
    """What is printed: the rows by their run's name, and the lines among the errors."""

    def call(*flags):
        runs.main(["--runs-dir", str(tmp_path), "--json", *flags])
        said = capsys.readouterr()
        return {row["name"]: row for row in json.loads(said.out)}, said.err.splitlines()

    return call


def test_a_run_is_told_by_its_checkpoints_and_its_log(listed, tmp_path):
    run = tmp_path / "separate/20260101-000000-one"
    saved(run, 100, Score(0.9, 0.1, 3, "training"), age_s=7200)
    saved(run, 300, Score(0.5, 0.4, 90, "training"), age_s=3600)
    logged(run, 100, 200, 300, 340)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 9, "env_st')  # whoever wrote that was killed
    (run / "big").write_bytes(b"x" * 100_000)
    rows, errors = listed()
    row = rows[run.name]
    assert not errors
    assert row["score"] == {"mean": 0.5, "low": 0.4, "count": 90, "source": "training"}
    assert (row["task"], row["engine"], row["steps"]) == ("separate", "mujoco", 340)
    assert row["age_s"] == pytest.approx(3600, abs=60)
    assert 100_000 <= row["size_bytes"] < 200_000
    assert row["process"] is None


def test_an_evaluation_with_the_runs_own_settings_is_its_score(listed, tmp_path):
    run = tmp_path / "separate/one"
    saved(run, 300, Score(0.9, 0.8, 90, "training"))
    evaluated(run, "eval-300-mujoco-1234.json", 0.99, settings={"env.horizon": 9})
    assert listed()[0]["one"]["score"]["source"] == "training"
    evaluated(run, "eval-300-mujoco-reference.json", 0.6, physics="reference")
    assert listed()[0]["one"]["score"]["source"] == "mujoco reference"
    evaluated(run, "eval-300-physx.json", 0.7, engine="physx")
    evaluated(run, "eval-200-mujoco.json", 0.8, step=200)
    score = {"mean": 0.7, "low": 0.35, "count": 64, "source": "physx eval"}
    assert listed()[0]["one"]["score"] == score


def test_a_run_that_is_being_trained_says_by_whom(listed, tmp_path):
    run = tmp_path / "separate/one"
    saved(run, 100, age_s=3600)
    logged(run, 100, 200)
    with RunFolder(run):
        row = listed()[0]["one"]
        assert row["process"] == os.getpid()
        assert row["age_s"] < 60  # it has logged since
    row = listed()[0]["one"]
    assert row["process"] is None
    assert row["age_s"] > 3000


def test_what_is_no_run_or_damaged_is_one_line_each(listed, tmp_path):
    (tmp_path / "separate/foreign/sub").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    logged(tmp_path / "goal/young", 100)
    (tmp_path / "goal/unsaved.unsaved").mkdir()
    (tmp_path / "goal/torn/checkpoints/100/meta").mkdir(parents=True)
    (tmp_path / "goal/torn/checkpoints/100/meta/metadata").write_text("{torn")
    (tmp_path / "goal/torn/metrics.jsonl").write_bytes(b"\xff\n[]\n" + b"[" * 9999)
    rows, errors = listed()
    assert set(rows) == {"young", "torn"}
    assert (rows["torn"]["engine"], rows["torn"]["score"], rows["torn"]["steps"]) == (
        None,
        None,
        100,
    )
    assert (rows["young"]["engine"], rows["young"]["steps"]) == (None, 100)
    empty, torn, foreign = errors
    assert f"{tmp_path / 'empty'}: no runs" in empty
    assert f"{tmp_path / 'goal/torn'}: " in torn
    assert "incomplete or damaged" in torn
    assert f"{tmp_path / 'separate/foreign'}: no run" in foreign


def test_one_tasks_runs_alone(listed, tmp_path):
    for task in ("separate", "goal"):
        logged(tmp_path / task / f"of-{task}", 1)
    assert set(listed()[0]) == {"of-separate", "of-goal"}
    assert set(listed("--task", "goal")[0]) == {"of-goal"}


def test_the_table_has_a_line_for_each_whatever_its_name(tmp_path, capsys):
    for name in ("plain", "two\nlines", "\udcff"):
        logged(tmp_path / "separate" / name, 1_234)
    runs.main(["--runs-dir", str(tmp_path)])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["task", "run", "engine"]
    assert len(lines) == 3
    assert {line.split()[1] for line in lines} == {"plain", "two?lines", "?"}
    assert all("1,234" in line for line in lines)
    places = {line.index("1,234") for line in lines}
    assert places == {head.index("steps")}


def test_a_folder_that_is_none_is_a_users_error(tmp_path):
    with pytest.raises(UsageError, match="valid: a folder in which runs were trained"):
        runs.main(["--runs-dir", str(tmp_path / "nowhere")])
    with pytest.raises(UsageError, match="--runs-dir"):
        runs.main(["--rums-dir", str(tmp_path)])


def test_no_runs_are_said_to_be_none(tmp_path, capsys):
    runs.main(["--runs-dir", str(tmp_path)])
    assert capsys.readouterr().out == f"no runs in {tmp_path}\n"
