"""The benchmarks of several processes, as they run without a GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import memory

ROOT = Path(__file__).parent.parent
DEBUG = ("--config", "configs/debug.yaml", "--device", "cpu")


def rows_of(benchmark: str, out: Path, *args: object) -> list[dict]:
    words = [*map(str, args), "--out", str(out)]
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(text) for text in out.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.heavy
def test_what_is_traced_is_what_was_compiled(tmp_path):
    alone, both, *times = rows_of(
        *("communication", tmp_path / "rows.jsonl", *DEBUG, "--gpus", 1, 2),
        *("--num-envs", 16, "--sizes", 4, 4096, "--repeats", 3),
    )
    assert (alone["gpus"], alone["operations"], alone["bytes"]) == (1, 0, 0)
    assert both["traced_operations"] == [both["operations"]] * 2
    assert both["operations"] == 2 * 2 + 9  # epochs x minibatches, and what comes once
    gradient = max(size for _, size, times in both["collectives"] if times == 4)
    # two trunks of 77 x 16 x 16 with biases, 6 actions and a value, 6 deviations, and the metrics
    weights = 2 * (77 * 16 + 16 + 16 * 16 + 16) + (16 * 6 + 6) + (16 + 1) + 6
    assert 0 <= gradient - 4 * weights <= 4 * 12
    assert 0.0 < both["together_ms"] <= min(both["collective_ms"])
    assert [(row["gpus"], row["bytes"]) for row in times] == [(2, 4), (2, 4096)]
    assert all(row["us"] > 0.0 for row in times)


@pytest.mark.slow
@pytest.mark.heavy
def test_memory_is_measured_fitted_and_tried(tmp_path):
    small, large, line, tried = rows_of(
        *("memory", tmp_path / "rows.jsonl", *DEBUG, "--engines", "mujoco", "--tasks", "separate"),
        *("--sizes", 16, 4096, "--most", 8192),
    )
    assert small["fits"]
    assert large["fits"]
    assert large["mb"] > small["mb"] > 100.0
    assert line["kb_each"] == pytest.approx(1e3 * (large["mb"] - small["mb"]) / (4096 - 16))
    assert (tried["num_envs"], tried["fits"]) == (8192, True)


def test_what_fits_follows_from_the_line():
    slope, constant = memory.line([4, 8, 16], [10.0, 18.0, 34.0])
    assert (slope, constant) == pytest.approx((2.0, 2.0))
    assert memory.largest(slope, constant, 102.5) == 50
    assert memory.largest(slope, constant, 1.0) == 0
    assert memory.largest(-1.0, constant, 100.0) == 0
