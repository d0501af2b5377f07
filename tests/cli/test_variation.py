"""Training in scenes that differ: seeded, gone on with, refused in one line, evaluated in nominal ones."""

import json

import pytest

STEPS = 16 * 8  # of one iteration
VARIED = (
    *("--env.variation.friction", "0.5", "2", "--env.variation.body-mass", "0.5", "2"),
    *("--env.variation.body-size", "0.8", "1.2", "--env.variation.body-sizes", "4"),
)


def rows(folder):
    (run,) = folder.glob("runs/separate/*")
    read = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith("perf/")} for row in read]


@pytest.mark.heavy
def test_a_run_in_scenes_that_differ_goes_on_in_the_same_ones(tmp_path, run_command, debug_config):
    whole, parts, plain = (tmp_path / name for name in ("whole", "parts", "plain"))
    for folder in (whole, parts, plain):
        folder.mkdir()
    first = ("--config", debug_config, "--sim", "mujoco")
    calls = [
        (whole, (*first, *VARIED, "--total-env-steps", 4 * STEPS)),
        (plain, (*first, "--total-env-steps", 4 * STEPS)),
        (parts, (*first, *VARIED, "--total-env-steps", 2 * STEPS)),
        (parts, ("--checkpoint", "latest", "--total-env-steps", 4 * STEPS)),
    ]
    for folder, args in calls:
        result = run_command("train", *args, cwd=folder)
        assert result.returncode == 0, result.stderr
    assert rows(parts) == rows(whole)
    assert rows(plain) != rows(whole), "nothing was varied"
    result = run_command(
        *("train", "--checkpoint", "latest", "--total-env-steps", 8 * STEPS),
        *("--env.variation.friction", "0.5", "3"),
        cwd=parts,
    )
    assert result.returncode == 2
    assert "a run goes on with its own env.variation.friction" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.heavy
def test_a_start_that_asks_for_what_the_engine_cannot_vary_leaves_nothing(
    tmp_path, run_command, debug_config
):
    result = run_command(
        *("train", "--task", "humanoid", "--sim", "mujoco", "--num-envs", 4),
        *("--env.variation.body-mass", "0.5", "2"),
        cwd=tmp_path,
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "valid: friction, robot_mass, drive_gain" in result.stderr
    assert not (tmp_path / "runs").exists()
