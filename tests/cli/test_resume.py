"""Going on is going on: bit for bit what an uninterrupted run does."""

import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from screwpush_jax import checkpoint
from screwpush_jax.compiled import jit_once
from screwpush_jax.config import Config, from_tree
from screwpush_jax.ppo.update import init_learner

ROOT = Path(__file__).parent.parent.parent
STEPS = 16 * 8  # of one iteration


def only_run(folder):
    (path,) = folder.glob("runs/separate/*")
    return path


def learning_metrics(folder):
    rows = [json.loads(x) for x in (only_run(folder) / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith("perf/")} for row in rows]


def learner_leaves(folder):
    import jax

    found = checkpoint.find("latest", folder / "runs", "separate")
    config = from_tree(found.meta["config"], Config, Config())
    (obs,) = {field[2] for field in found.meta["obs_layout"][-1:]}
    size = len(config.separate.active_axes)
    like = jit_once(lambda key: init_learner(config.ppo, obs, size, key))(jax.random.key(0))
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
    args = ("--config", debug_config, "--total-env-steps", 3 * STEPS)
    assert run_command("train", *args, cwd=tmp_path).returncode == 0
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
    oldest = min(checkpoint.steps(run))
    args = ("--checkpoint", run / "checkpoints" / str(oldest), "--total-env-steps", 6 * STEPS)
    result = run_command("train", *args, "--runs-dir", tmp_path / "runs", cwd=unbroken)
    assert result.returncode == 0, result.stderr
    rows = learning_metrics(tmp_path)
    assert rows == learning_metrics(unbroken)[-len(rows) :]
