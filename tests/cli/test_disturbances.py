"""A disturbed run from end to end: trained, gone on with bit for bit, exported, and begun anew from."""

import json
import re

import pytest

pytestmark = pytest.mark.heavy

STEPS = 16 * 8  # of one iteration
ON = (
    *("--env.disturbance.delay-steps", 0, 2, "--env.disturbance.body-pos-noise-m", 0.002),
    *("--env.disturbance.body-pos-bias-m", 0.005, "--env.disturbance.hide-body-velocities", 0.5),
    "--env.disturbance.asymmetric-critic",
)


def done(result):
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, run_command, debug_config):
    """Four iterations in one process."""
    folder = tmp_path_factory.mktemp("disturbed")
    args = ("--config", debug_config, "--total-env-steps", 4 * STEPS, *ON)
    done(run_command("train", *args, cwd=folder))
    return folder


def metrics(folder):
    (path,) = folder.glob("runs/separate/*/metrics.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith("perf/")} for row in rows]


def test_two_and_two_iterations_are_four(unbroken, tmp_path, run_command, debug_config):
    args = ("--config", debug_config, "--total-env-steps", 2 * STEPS, *ON)
    done(run_command("train", *args, cwd=tmp_path))
    more = ("--checkpoint", "latest", "--total-env-steps", 4 * STEPS)
    done(run_command("train", *more, cwd=tmp_path))
    assert len(metrics(unbroken)) == 4
    assert metrics(tmp_path) == metrics(unbroken)


def test_other_disturbances_need_a_run_of_their_own(unbroken, run_command):
    args = ("--checkpoint", "latest", "--total-env-steps", 8 * STEPS)
    result = run_command("train", *args, "--env.disturbance.delay-steps", 0, 1, cwd=unbroken)
    assert result.returncode == 2
    assert "goes on with its own env.disturbance.delay_steps [0, 2]" in result.stderr


def test_evaluation_follows_the_run_unless_it_is_told_otherwise(unbroken, run_command):
    (own,) = unbroken.glob("runs/separate/*/eval-*.json")
    assert json.loads(own.read_text())["settings"] == {}
    flags = ("--env.disturbance.delay-steps", 0, 0, "--eval.no-baselines")
    said = done(run_command("evaluate", "--checkpoint", "latest", *flags, cwd=unbroken))
    written = json.loads((unbroken / re.search(r"written to (\S+)", said).group(1)).read_text())
    assert written["settings"]["env.disturbance.delay_steps"] == [0, 0]


def test_what_is_exported_is_the_policy_and_not_what_disturbs_it(unbroken, run_command):
    args = ("--checkpoint", "latest", "--format", "jax", "--observations", 200)
    done(run_command("export", *args, cwd=unbroken))  # compared with the live policy within


def test_a_run_begins_with_its_weights_under_other_disturbances(
    unbroken, run_command, debug_config, tmp_path
):
    (source,) = unbroken.glob("runs/separate/*")
    begin = ("--config", debug_config, "--total-env-steps", STEPS, "--init-from", source)
    flags = ("--env.disturbance.asymmetric-critic", "--env.disturbance.delay-steps", 1, 1)
    said = done(run_command("train", *begin, *flags, cwd=tmp_path))
    assert f"policy of {source.name} at {4 * STEPS:,} control steps" in said
    (run_dir,) = tmp_path.glob("runs/separate/*")
    done(
        run_command("train", "--checkpoint", "latest", "--total-env-steps", 2 * STEPS, cwd=tmp_path)
    )
    origin = json.loads((run_dir / "provenance.json").read_text())["init_from"]
    assert origin == {"run": str(source), "step": 4 * STEPS}
    result = run_command("train", *begin, cwd=tmp_path)
    assert result.returncode == 2
    assert "asymmetric_critic False (checkpoint: True)" in result.stderr
