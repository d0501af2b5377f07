"""Going on is going on, however a run ended: bit for bit what an uninterrupted run does."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from screwpush_jax import checkpoint, checkpoint_folder, resume, run_folder
from screwpush_jax.algorithms.ppo.update import init_learner
from screwpush_jax.compiled import jit
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import CheckpointError, UsageError

pytestmark = pytest.mark.slow

Config = config_type()

ROOT = Path(__file__).parent.parent.parent
STEPS = 16 * 8  # of one iteration
TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


def only_run(folder):
    (path,) = folder.glob("runs/separate/*")
    return path


def learning_metrics(folder):
    rows = [json.loads(x) for x in (only_run(folder) / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith("perf/")} for row in rows]


def learner_leaves(folder):
    import jax

    found = checkpoint_folder.find("latest", folder / "runs", "separate")
    config = from_tree(found.meta["config"], Config, Config())
    (obs,) = {field[2] for field in found.meta["obs_layout"][-1:]}
    size = len(config.env.active_axes)
    like = jit(lambda key: init_learner(config.ppo, {"policy": obs}, size, key))(jax.random.key(0))
    learner = checkpoint.restore_learner(found, like)
    learner = jax.tree.map(
        lambda x: jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
        else x,
        learner,
    )  # fmt: skip
    return [np.asarray(leaf) for leaf in jax.tree.leaves(learner)]


def assert_same_future(one, other):
    assert learning_metrics(one) == learning_metrics(other)
    for a, b in zip(learner_leaves(one), learner_leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, run_command, debug_config):
    """Six iterations in one process."""
    folder = tmp_path_factory.mktemp("unbroken")
    args = ("--config", debug_config, "--total-env-steps", 6 * STEPS, "--checkpoint-every", 2)
    result = run_command("train", *args, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_three_and_three_iterations_are_six(unbroken, tmp_path, run_command, debug_config):
    """Also where JAX sees two devices: a process uses one."""
    args = ("--config", debug_config, "--total-env-steps", 3 * STEPS)
    result = run_command("train", *args, cwd=tmp_path, env=TWO_DEVICES)
    assert result.returncode == 0, result.stderr
    assert "device cpu 0 of 2" in result.stdout
    args = ("--checkpoint", "latest", "--total-env-steps", 6 * STEPS)
    result = run_command("train", *args, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert_same_future(unbroken, tmp_path)


def test_an_interrupt_saves_and_the_printed_command_goes_on(
    unbroken, tmp_path, run_command, start_command, debug_config
):
    args = ("--config", debug_config, "--total-env-steps", 6 * STEPS)
    with start_command("train", *args, cwd=tmp_path) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if line.startswith("iteration 1/"):
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0, "".join(lines)
    printed = re.search(r"go on with: python -m screwpush_jax\.train (.*)", "".join(lines))
    assert printed, "".join(lines)
    assert len(learning_metrics(tmp_path)) < 6
    result = run_command("train", *printed.group(1).split(), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert_same_future(unbroken, tmp_path)


def test_an_older_checkpoint_starts_a_new_run(unbroken, tmp_path, run_command):
    run = only_run(unbroken)
    oldest = min(run_folder.steps(run))
    args = ("--checkpoint", run / "checkpoints" / str(oldest), "--total-env-steps", 6 * STEPS)
    args = (*args, "--runs-dir", tmp_path / "runs", "--name", "branch")
    result = run_command("train", *args, cwd=unbroken)
    assert result.returncode == 0, result.stderr
    rows = learning_metrics(tmp_path)
    assert rows == learning_metrics(unbroken)[-len(rows) :]
    assert run_folder.run_name(only_run(tmp_path)) == "branch"


def flags(debug_config, iterations=6):
    return ("--config", debug_config, "--total-env-steps", iterations * STEPS)


def stop_at(process, start_of_line, number):
    """Sends the signal when such a line is printed; all that was said."""
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith(start_of_line):
            process.send_signal(number)
    process.wait()
    return "".join(said)


@pytest.mark.heavy
def test_a_scheduler_s_signal_saves_and_the_printed_command_goes_on(
    unbroken, tmp_path, run_command, start_command, debug_config
):
    with start_command("train", *flags(debug_config), cwd=tmp_path) as process:
        said = stop_at(process, "iteration 1/", signal.SIGTERM)
    assert process.returncode == 143, said
    printed = re.search(r"go on with: python -m screwpush_jax\.train (.*)", said)
    assert printed, said
    result = run_command("train", *printed.group(1).split(), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert_same_future(unbroken, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_before_the_first_checkpoint_the_same_command_starts_again(
    number, unbroken, tmp_path, run_command, start_command, debug_config
):
    args = (*flags(debug_config), "--name", "again")
    with start_command("train", *args, cwd=tmp_path) as process:
        said = stop_at(process, "found 16", number)
    assert process.returncode == (143 if number == signal.SIGTERM else -9), said
    if number == signal.SIGTERM:
        assert "the same command starts anew" in said
        assert run_folder.runs(tmp_path / "runs" / "separate") == []
        return
    result = run_command("train", *args, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert_same_future(unbroken, tmp_path)


@pytest.mark.parametrize(("lines", "saved"), [(1, False), (5, True)])
def test_a_reader_that_leaves_ends_a_run_that_is_saved(lines, saved, tmp_path, debug_config):
    """`train | head`: of a run that would go on for hours."""
    command = [sys.executable, "-m", "screwpush_jax.train", *map(str, flags(debug_config, 10**6))]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(debug_config).removesuffix("/configs/debug.yaml")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 141, said
    assert ("go on with: python -m screwpush_jax.train" in said) == saved, said
    assert bool(run_folder.runs(tmp_path / "runs" / "separate")) == saved
    if saved:
        assert run_folder.steps(only_run(tmp_path))


@pytest.fixture(scope="module")
def newest(unbroken):
    """The checkpoint at the end of a run, and the configuration it was trained with."""
    found = checkpoint_folder.find("latest", unbroken / "runs", "separate")
    config = from_tree(found.meta["config"], Config, Config())
    more = dataclasses.replace(config, total_env_steps=12 * STEPS, max_minutes=5.0)
    return found, config, more


def changed(config, path, value):
    *sections, name = path.split(".")
    owners = [config]
    for section in sections:
        owners.append(getattr(owners[-1], section))
    for owner, field in zip(reversed(owners), reversed([*sections, name]), strict=True):
        value = dataclasses.replace(owner, **{field: value})
    return value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 1),
        ("num_envs", 32),
        ("sim", "mujoco_warp"),
        ("ppo.num_steps", 4),
        ("ppo.init_log_std", 0.0),
        ("ppo.learning_rate", 1e-4),
        ("env.scene.num_screws", 4),
        ("env.scene.screw.length_m", 0.1),
        ("env.bank_size", 8),
        ("env.jumble_radius_m", 0.1),
        ("env.settle_s", 1.0),
        ("env.start_tip_height_m", (0.05, 0.1)),
    ],
)
def test_what_would_have_no_effect_on_a_run_that_goes_on_is_refused(newest, path, value):
    found, _, more = newest
    with pytest.raises(UsageError, match=f"goes on with its own {path} "):
        resume.settle(changed(more, path, value), found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sim", "mujoco"),  # what auto was
        ("ppo.gamma", 0.5),
        ("env.reward.time", -1.0),
        ("env.scene.friction", 0.5),
        ("checkpoint_every", 7),
    ],
)
def test_what_has_an_effect_may_change(newest, path, value):
    found, _, more = newest
    assert resume.settle(changed(more, path, value), found) == changed(more, path, value)


def test_a_learning_rate_has_an_effect_unless_the_schedule_adapts_it(newest):
    found, _, more = newest
    for schedule in ("constant", "linear"):
        config = changed(changed(more, "ppo.schedule", schedule), "ppo.learning_rate", 1e-4)
        assert resume.settle(config, found) == config


@pytest.mark.parametrize(
    ("change", "hint"),
    [({}, "--total-env-steps 768"), ({"max_minutes": 1e-4}, "--max-minutes 0.0001")],
)
def test_a_spent_budget_is_named_with_the_flag_that_raises_it(newest, change, hint):
    found, config, more = newest
    with pytest.raises(UsageError, match=f"spent its budget.*{hint}"):
        resume.settle(dataclasses.replace(more if change else config, **change), found)


def test_a_run_that_has_had_enough_is_told_what_gives_it_as_much_again(newest):
    found, config, _ = newest
    assert resume.more(config, found) == ["--total-env-steps", str(12 * STEPS)]
    good = [[n, 500.0, 499.0] for n in range(1, 5)]
    meta = found.meta | {"counters": found.meta["counters"] | {"newest_episodes": good}}
    sure = dataclasses.replace(found, meta=meta)
    open_end = dataclasses.replace(config, total_env_steps=12 * STEPS, stop_at_success=0.9)
    with pytest.raises(
        UsageError, match="spent its budget, success surely 99.*--stop-at-success 0.9"
    ):
        resume.settle(open_end, sure)
    flag, value = resume.more(open_end, sure)
    assert flag == "--stop-at-success"
    more = dataclasses.replace(open_end, stop_at_success=float(value))
    assert resume.settle(more, sure) == more


def test_a_run_that_was_interrupted_before_its_evaluation_is_evaluated(
    newest, tmp_path, run_command
):
    """Not told that its budget is spent: whoever starts a preempted job again wants it done."""
    found, config, more = newest
    shutil.copytree(found.run_dir, run := tmp_path / "runs" / "separate" / found.run_dir.name)
    for path in run.glob("eval-*"):
        path.unlink()
    copy = dataclasses.replace(found, run_dir=run)
    assert resume.settle(config, copy) == config
    assert resume.is_to_be_evaluated(config, copy)
    assert not resume.is_to_be_evaluated(more, copy)
    assert not resume.is_to_be_evaluated(config, found)
    result = run_command("train", "--checkpoint", "latest", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "is evaluated now" in result.stdout
    assert list(run.glob("eval-*"))


def test_a_run_keeps_its_name(newest):
    found, _, more = newest
    with pytest.raises(UsageError, match="keeps its own"):
        resume.settle(dataclasses.replace(more, name="other"), found)


def test_a_run_of_the_older_format_is_refused_with_the_version_that_goes_on_with_it(newest):
    found, _, more = newest
    older = dataclasses.replace(found, meta=found.meta | {"format": 1})
    said = r"has format 1: its run goes on in version 0\.1\.0 .* evaluated and played"
    with pytest.raises(CheckpointError, match=said):
        resume.settle(more, older)
