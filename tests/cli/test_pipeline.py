"""Train, evaluate, play and go on, through the command lines alone."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def run_dir(trained):
    (path,) = trained.glob("runs/separate/*-first")
    return path


def read_video(path):
    """Frames `[T, H, W, 3]`, decoded in a process of its own: the decoder forks."""
    code = "import sys, imageio.v3 as i, numpy as n; n.save(sys.argv[2], i.imread(sys.argv[1]))"
    out = path.with_suffix(".npy")
    subprocess.run([sys.executable, "-c", code, str(path), str(out)], check=True, timeout=120)
    return np.load(out)


def rate(text, policy="learned"):
    return re.search(rf"{policy}\s+([\d.]+%) success", text).group(1)


def test_training_leaves_a_complete_run(trained):
    path = run_dir(trained)
    for name in ("config.yaml", "metrics.jsonl", "report.png", "checkpoints", "tensorboard"):
        assert (path / name).exists(), name
    (results,) = path.glob("eval-*.json")
    page = path / f"{results.stem.replace('eval', 'report')}.html"
    success = json.loads(results.read_text())["scripted"]["success_rate"]
    assert f"<td>{success:.2%}</td>" in page.read_text()
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4]
    for name in ("actor/approx_kl", "actor/value_loss", "env/success_once", "env/reward/progress"):
        assert np.isfinite([row[name] for row in rows if name in row]).all()
    assert rows[-1]["env_steps"] == 4 * 16 * 8


def test_evaluating_again_gives_the_same_figures(trained, run_command):
    stored = json.loads(next(run_dir(trained).glob("eval-*-mujoco.json")).read_text())
    result = run_command("evaluate", "--checkpoint", "best", cwd=trained)
    assert result.returncode == 0, result.stderr
    assert json.loads(next(run_dir(trained).glob("eval-*.json")).read_text()) == stored
    assert rate(result.stdout) == f"{stored['learned']['success_rate']:.2%}"


def test_test_flag_evaluates_and_other_settings_leave_the_runs_own_result(trained, run_command):
    (own,) = run_dir(trained).glob("eval-*-mujoco.json")
    before = own.read_bytes()
    settings = ("--eval.seed", 7, "--env.horizon", 8)
    result = run_command("train", "--test", "--checkpoint", "first", *settings, cwd=trained)
    assert result.returncode == 0, result.stderr
    assert "unseen episodes (seed 7)" in result.stdout
    assert own.read_bytes() == before
    (other,) = run_dir(trained).glob("eval-*-mujoco-*.json")
    stored = json.loads(other.read_text())
    assert stored["settings"] == {"eval.seed": 7, "env.horizon": 8}
    assert rate(result.stdout) == f"{stored['learned']['success_rate']:.2%}"
    other.unlink()  # the other tests share this folder


def test_the_run_is_listed_with_its_own_result(trained, run_command):
    result = run_command("runs", "--json", cwd=trained)
    assert result.returncode == 0, result.stderr
    (row,) = (r for r in json.loads(result.stdout) if r["name"] == run_dir(trained).name)
    stored = json.loads(next(run_dir(trained).glob("eval-*-mujoco.json")).read_text())
    assert row["score"]["mean"] == stored["learned"]["success_rate"]
    assert (row["engine"], row["steps"]) == ("mujoco", 4 * 16 * 8)


def test_play_writes_a_video_in_which_things_move(trained, run_command):
    args = ("--episodes", 1, "--size", 160, 120, "--output", "out.mp4")
    result = run_command("play", "--checkpoint", "latest", *args, cwd=trained)
    assert result.returncode == 0, result.stderr
    frames = read_video(trained / "out.mp4")
    assert frames.shape[1:] == (120, 160, 3)
    assert frames[0].std() > 10
    assert np.abs(frames[8].astype(int) - frames[0]).max() > 50
    assert (trained / "out.npz").exists()


def test_a_finished_run_goes_on_in_its_own_folder(trained, run_command, tmp_path):
    trained = shutil.copytree(trained, tmp_path / "trained")  # others want it as it was
    before = {p.name for p in (run_dir(trained) / "checkpoints").iterdir()}
    args = ("--checkpoint", "first", "--total-env-steps", 768)
    result = run_command("train", *args, cwd=trained)
    assert result.returncode == 0, result.stderr
    rows = (run_dir(trained) / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert before < {p.name for p in (run_dir(trained) / "checkpoints").iterdir()} | before
