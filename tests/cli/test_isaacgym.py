"""Train, go on and evaluate with the engine `isaacgym`, its worker on the stand-in.

With a GPU: `JAX_PLATFORMS=cuda,cpu SCREWPUSH_TEST_PIPELINE=gpu SCREWPUSH_TEST_HANDOVER=arena` before it.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from screwpush_jax.loggers import read_metrics

pytestmark = pytest.mark.slow

STANDIN = str(Path(__file__).parent.parent / "isaacgym_standin")
PIPELINE = os.environ.get("SCREWPUSH_TEST_PIPELINE", "cpu")
WORKER = ("--isaacgym.python", sys.executable, "--isaacgym.python-path", STANDIN)
ENGINE = (
    *("--sim", "isaacgym", "--isaacgym.pipeline", PIPELINE, "--device", PIPELINE, *WORKER),
    *("--isaacgym.handover", os.environ.get("SCREWPUSH_TEST_HANDOVER", "auto")),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_command, debug_config):
    """Where two iterations were trained and evaluated."""
    path = tmp_path_factory.mktemp("isaacgym")
    args = ("--config", debug_config, "--name", "gym", "--total-env-steps", 256, *ENGINE)
    result = run_command("train", *args, cwd=path)
    assert result.returncode == 0, result.stderr
    return path


def rows(folder):
    (run,) = folder.glob("runs/separate/*-gym")
    return run, [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_training_leaves_metrics_and_an_evaluation(folder):
    run, lines = rows(folder)
    assert [line["iteration"] for line in lines][:2] == [1, 2]
    assert all(np.isfinite(line["actor/value_loss"]) for line in lines)
    assert all(line["perf/handover_ms"] > 0.0 for line in lines)
    assert list(run.glob("eval-*-isaacgym.json"))


@pytest.mark.heavy
def test_a_run_goes_on_from_its_checkpoint(folder, run_command):
    result = run_command(
        "train", "--checkpoint", "gym", "--total-env-steps", 384, *ENGINE, cwd=folder
    )
    assert result.returncode == 0, result.stderr
    assert [line["iteration"] for line in rows(folder)[1]] == [1, 2, 3]


def worker_of(pid):
    """The one child of process `pid` that is a worker."""
    (tasks,) = [Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in tasks}
    (worker,) = [child for child, command in commands.items() if b"\0worker\0" in command]
    return worker


def wait_for_a_checkpoint(learner, folder):
    """Until a third iteration is logged by a run that saves every second."""
    while learner.poll() is None and not any(
        len(path.read_text().splitlines()) >= 3
        for path in folder.glob("runs/separate/*/metrics.jsonl")
    ):
        time.sleep(0.01)


@pytest.mark.heavy
def test_a_killed_worker_is_replaced_and_the_run_goes_on(tmp_path, start_command, debug_config):
    """Killed after the first checkpoint: what lies behind it is done again, in one process."""
    args = ("--config", debug_config, "--total-env-steps", 12 * 128, "--checkpoint-every", 2)
    names = ("--name", "gym", "--isaacgym.restarts", 1)
    learner = start_command("train", *args, *names, *ENGINE, cwd=tmp_path)
    wait_for_a_checkpoint(learner, tmp_path)
    os.kill(worker_of(learner.pid), signal.SIGKILL)
    said = learner.communicate(timeout=120)[0]
    assert learner.returncode == 0, said
    assert said.count("killed by SIGKILL") == 1
    assert "restart 1 of 1" in said
    # for start states, for training, after the restart, for evaluation
    assert said.count("isaacgym hand-over") == 4
    assert re.search(r"restored .* at [\d,]+ control steps", said)
    assert [line["iteration"] for line in read_metrics(rows(tmp_path)[0])] == list(range(1, 13))


LONG_KERNEL = """
import os, torch
step = Gym.simulate
def simulate(self, sim):
    if os.path.exists({file!r}):
        os.remove({file!r})
        torch.cuda._sleep(1 << 33)  # some 4 s
    step(self, sim)
Gym.simulate = simulate
"""


@pytest.fixture
def mps(monkeypatch):
    """NVIDIA's MPS for processes that start from now on."""
    control = "nvidia-cuda-mps-control"
    with tempfile.TemporaryDirectory() as folder:  # a short name: sockets lie in it
        for name in ("PIPE", "LOG"):
            monkeypatch.setenv(f"CUDA_MPS_{name}_DIRECTORY", folder)
        subprocess.run([control, "-d"], check=True)
        yield
        subprocess.run([control], input="quit\n", text=True, check=True, timeout=20)


@pytest.mark.skipif(PIPELINE != "gpu", reason="needs a CUDA device")
def test_a_device_that_is_lost_with_the_worker_ends_the_run_with_one_error(
    tmp_path, mps, monkeypatch, start_command, debug_config
):
    file = tmp_path / "hold"
    monkeypatch.setenv("ISAACGYM_STANDIN_PATCH", LONG_KERNEL.format(file=str(file)))
    args = ("--config", debug_config, "--checkpoint-every", 2, "--isaacgym.restarts", 1, *ENGINE)
    learner = start_command("train", *args, "--total-env-steps", 12 * 128, cwd=tmp_path)
    wait_for_a_checkpoint(learner, tmp_path)
    file.touch()
    while learner.poll() is None and file.exists():
        time.sleep(0.01)
    time.sleep(1.0)  # its kernel is under way
    os.kill(worker_of(learner.pid), signal.SIGKILL)
    said = learner.communicate(timeout=10)[0]
    assert learner.returncode == 2, said
    assert "killed by SIGKILL" in said
    assert "cannot use its GPU any more" in said
    assert "MPS" in said
    assert "Traceback" not in said
    assert "restart 1 of 1" not in said


def test_its_policy_is_evaluated_in_another_engine(folder, run_command):
    result = run_command(
        "evaluate", "--checkpoint", "latest", "--sim", "mujoco", "--device", "cpu", cwd=folder
    )
    assert result.returncode == 0, result.stderr
    assert "success" in result.stdout


def test_a_missing_interpreter_is_one_line(tmp_path, run_command, debug_config):
    args = ("--config", debug_config, "--sim", "isaacgym", "--isaacgym.pipeline", "cpu")
    result = run_command("train", *args, "--isaacgym.python", "/nowhere/python", cwd=tmp_path)
    assert result.returncode == 2
    assert "no interpreter '/nowhere/python'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_gpu_is_refused_for_the_cpu_pipeline(tmp_path, run_command, debug_config):
    args = ("--config", debug_config, "--sim", "isaacgym", "--isaacgym.pipeline", "cpu", *WORKER)
    args = (*args, "--device", "gpu")
    result = run_command("train", *args, cwd=tmp_path)
    assert result.returncode == 2
    assert "--device gpu: the engine isaacgym steps on the CPU" in result.stderr
