"""Simulator and learner apart, and pipeline stages, as a user starts them on the CPU."""

from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
STEPS = 128  # an iteration's


@pytest.fixture(scope="module")
def train(run_command, debug_config, tmp_path_factory):
    """`train(name, *flags) -> (what it said, every array that it learned)`, of three iterations."""
    folder = tmp_path_factory.mktemp("placement")

    def run(name, *flags):
        given = ("--config", debug_config, "--name", name, "--total-env-steps", 3 * STEPS)
        result = run_command("train", *given, "--eval.no-baselines", *flags, cwd=folder)
        assert result.returncode == 0, result.stdout + result.stderr
        (where,) = (folder / "runs/separate").glob(f"*-{name}")
        return result.stdout, learned(where, 3 * STEPS)

    run.folder = folder
    return run


def learned(run: Path, step: int) -> dict[str, np.ndarray]:
    import jax

    tree = ocp.StandardCheckpointer().restore(run / "checkpoints" / str(step) / "learner")
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in paths}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


@pytest.mark.parametrize("flags", [(), ("--pipeline-stages", 2)], ids=["whole", "stages"])
def test_one_process_learns_on_another_device_what_it_learns_on_its_own(train, flags):
    _, expected = train(f"on-one-{len(flags)}", *flags)
    said, found = train(
        f"apart-{len(flags)}", "--placement.sim", 0, "--placement.learner", 1, *flags
    )
    assert "device cpu 0 for the simulator, 1 for the learner\n" in said
    assert_same(found, expected)


def test_so_do_two_processes_whose_number_the_lists_say(train):
    two = ("--global-num-envs", 16)
    _, expected = train("both-on-one", "--num-gpus", 2, *two)
    said, found = train("both-apart", "--placement.sim", "0-1", "--placement.learner", "2-3", *two)
    assert "for the learner, process 1 of 2" in said
    assert "--placement.sim 0-1 --placement.learner 2-3" in said  # how to train on
    for name, leaf in expected.items():
        np.testing.assert_allclose(found[name], leaf, rtol=2e-5, atol=2e-6, err_msg=name)


def test_stages_go_on_as_they_are_saved_and_another_number_begins_anew(train, run_command):
    train("staged", "--pipeline-stages", 2)
    more = ("--checkpoint", "latest", "--total-env-steps", 4 * STEPS, "--device", "cpu")
    said = run_command("train", *more, "--eval.no-baselines", cwd=train.folder)
    assert said.returncode == 0, said.stderr
    assert "restored" in said.stdout
    assert "anew" not in said.stdout
    more = (*more[:2], "--total-env-steps", 5 * STEPS, *more[4:], "--pipeline-stages", 1)
    said = run_command("train", *more, "--eval.no-baselines", cwd=train.folder)
    assert said.returncode == 0, said.stderr
    assert "as they were stepped in 2 pipeline stages and now are in 1" in said.stdout


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (
            ("--pipeline-stages", 3),
            "--pipeline-stages 3 does not divide num_envs = 16; valid: 1, 2, 4, 8",
        ),
        (("--placement.sim", 0), "--placement.learner (none) names 0 devices"),
        (
            ("--placement.sim", "0-1", "--placement.learner", "2-3", "--num-gpus", 3),
            "--num-gpus 3: --placement.sim names the GPUs of 2 processes",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_before_anything_is_written(
    run_command, debug_config, tmp_path, flags, hint
):
    result = run_command("train", "--config", debug_config, *flags, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {hint}")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
