"""A policy that reads a set is trained on some numbers of bolts and judged on others."""

import json

import pytest

from benchmarks import counts

pytestmark = pytest.mark.heavy
SET = (
    *("--env.observation", "set", "--env.scene.num-screws", "4", "--env.fewest-screws", "2"),
    *("--ppo.set-encoder.kind", "attention", "--ppo.set-encoder.hidden-sizes", "8", "8"),
)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory, run_command, debug_config):
    """Folder in which the debug configuration was trained on two to four bolts."""
    folder = tmp_path_factory.mktemp("mixture")
    args = ("--config", debug_config, *SET, "--name", "mixture", "--eval.no-baselines")
    result = run_command("train", *args, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_it_is_evaluated_on_another_number_and_goes_on_with_its_own_alone(mixture, run_command):
    other = ("--checkpoint", "latest", "--env.scene.num-screws", "5", "--env.fewest-screws", "0")
    result = run_command("evaluate", *other, "--eval.no-baselines", cwd=mixture)
    assert result.returncode == 0, result.stderr
    assert "16 unseen episodes" in result.stdout
    result = run_command("train", *other, "--total-env-steps", 1024, cwd=mixture)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "its own env.fewest_screws 2, env.scene.num_screws 4" in result.stderr.replace(
        "env.scene.num_screws 4, env.fewest_screws 2",
        "env.fewest_screws 2, env.scene.num_screws 4",
    )


def test_the_benchmark_judges_a_set_on_each_number_and_an_order_on_its_own(
    mixture, trained, tmp_path
):
    folders = [next(folder.glob("runs/separate/*")) for folder in (mixture, trained)]
    args = counts.Args(
        checkpoint=tuple(folders),
        counts=(2, 3, 5),
        episodes=8,
        out=tmp_path / "counts.jsonl",
        picture=tmp_path / "counts.png",
    )
    counts.main(args)
    rows = [json.loads(line) for line in args.out.read_text().splitlines()]
    seen = [(row["policy"], row["trained_bolts"], row["bolts"]) for row in rows]
    of_set = [("set, attention", "2 to 4", number) for number in args.counts]
    assert sorted(seen) == sorted([*of_set, ("sorted", "3", 3)])
    assert all(row["episodes"] == 8 and 0 <= row["success_rate"] <= 1 for row in rows)
    assert args.picture.read_bytes().startswith(b"\x89PNG")
