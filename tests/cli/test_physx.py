"""Train, evaluate and go on with the engine `physx` itself, on the CPU."""

import json

import numpy as np
import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("ovphysx")

ENGINE = ("--sim", "physx", "--device", "cpu", "--physx.num-threads", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_command, debug_config):
    """Where two iterations were trained and evaluated."""
    path = tmp_path_factory.mktemp("physx")
    args = ("--config", debug_config, "--name", "five", "--total-env-steps", 256, *ENGINE)
    result = run_command("train", *args, cwd=path)
    assert result.returncode == 0, result.stderr
    return path


def rows(folder):
    (run,) = folder.glob("runs/separate/*-five")
    return run, [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_training_leaves_metrics_and_an_evaluation(folder):
    run, lines = rows(folder)
    assert [line["iteration"] for line in lines][:2] == [1, 2]
    assert all(np.isfinite(line["actor/value_loss"]) for line in lines)
    assert all(line["perf/sim_ms"] > 0.0 for line in lines)
    assert all(line["perf/overflow"] == 0.0 for line in lines)
    (file,) = run.glob("eval-*-physx.json")
    learned = json.loads(file.read_text())["learned"]
    assert learned["invalid"] == 0.0


def test_a_run_goes_on_from_its_checkpoint(folder, run_command):
    args = ("--checkpoint", "five", "--total-env-steps", 384, *ENGINE)
    result = run_command("train", *args, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert [line["iteration"] for line in rows(folder)[1]] == [1, 2, 3]
