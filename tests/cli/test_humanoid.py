"""The task `humanoid` through the commands, with each engine that steps it in a process of this machine."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

STANDIN = str(Path(__file__).parent.parent / "isaacgym_standin")
ENGINES = {
    "physx": ("--sim", "physx", "--physx.num-threads", "2"),
    "isaacgym": (
        *("--sim", "isaacgym", "--isaacgym.pipeline", "cpu"),
        *("--isaacgym.python", sys.executable, "--isaacgym.python-path", STANDIN),
    ),
}


@pytest.mark.heavy
@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_trained_and_evaluated_on(engine, tmp_path, run_command, debug_config):
    if engine == "physx" and importlib.util.find_spec("ovphysx") is None:
        pytest.skip("ovphysx is not installed")
    args = ("--task", "humanoid", "--config", debug_config, "--total-env-steps", 256)
    quick = ("--eval.episodes", 4, "--eval.no-baselines", "--name", "walk", "--device", "cpu")
    result = run_command("train", *args, *quick, *ENGINES[engine], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (run,) = tmp_path.glob("runs/humanoid/*-walk")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [1, 2]
    assert all(np.isfinite(line["actor/value_loss"]) for line in lines)
    (file,) = run.glob(f"eval-*-{engine}.json")
    learned = json.loads(file.read_text())["learned"]
    assert learned["invalid"] == 0.0
    assert learned["episode_len"] == 10.0, "nobody falls in ten steps"
    assert 0.9 < learned["upright"] <= 1.0
