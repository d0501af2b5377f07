"""An engine and a task from outside the package train, and every command knows them.

`toys.py` is laid out as another distribution would be: the module, and the metadata by which its entry
points are found. Nothing of this package's own files is edited.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from screwpush_jax import plugins
from screwpush_jax.tasks import registry as tasks
from screwpush_sim import registry as engines

pytestmark = pytest.mark.slow

TOYS = Path(__file__).parent / "toys.py"
ENTRY_POINTS = """
[screwpush_jax.tasks]
mark = toys:MarkTask
[screwpush_jax.engines]
rail = toys:ENGINE
"""
SMALL = (
    *("--task", "mark", "--device", "cpu", "--fast-compile", "--num-envs", "64", "--headless"),
    *("--total-env-steps", "40960", "--eval.episodes", "64"),
)
BY_PPO = (
    *("--ppo.num-steps", "16", "--ppo.hidden-sizes", "16", "16", "--ppo.num-minibatches", "4"),
)
BY_GRPO = (
    *("--algorithm", "grpo", "--grpo.hidden-sizes", "16", "16", "--grpo.num-minibatches", "4"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Another distribution, installed."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(TOYS, folder)
    info = folder / "toys-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture(scope="module")
def python(site, tmp_path_factory):
    """`python(*args)` where both distributions are installed, always in the same folder."""
    folder = tmp_path_factory.mktemp("work")
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH", ""))))

    def run(*args, code=0):
        result = subprocess.run(
            [sys.executable, *args],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result

    run.folder = folder
    return run


@pytest.fixture(scope="module")
def trained(python):
    """The folder of a run of the toy task on the toy engine, by the command as it is shipped."""
    python("-m", "screwpush_jax.train", *SMALL, *BY_PPO, "--sim", "rail", "--rail.lag", "0.9")
    (run,) = (python.folder / "runs" / "mark").glob("*-ppo")
    return run


def evaluation(run):
    (path,) = run.glob("eval-*.json")
    return json.loads(path.read_text())


def test_it_learns_what_chance_does_not_reach(trained):
    found = evaluation(trained)
    assert found["learned"]["success_rate"] > 0.95
    assert found["random"]["success_rate"] < 0.5
    assert found["up"]["success_rate"] < 0.95
    assert found["engine"] == "rail"
    assert found["learned"]["distance_rad"] < 0.06


@pytest.fixture(scope="module")
def trained_without_critic(python):
    """The folder of a run of the toy task by GRPO."""
    named = ("--sim", "rail", "--name", "groups", "--checkpoint-every", "16")
    python("-m", "screwpush_jax.train", *SMALL, *BY_GRPO, *named)
    (run,) = (python.folder / "runs" / "mark").glob("*-groups")
    return run


def test_it_is_learned_without_a_critic_too(trained_without_critic):
    found = evaluation(trained_without_critic)
    assert found["learned"]["success_rate"] > 0.9
    assert found["random"]["success_rate"] < 0.5
    config = yaml.safe_load((trained_without_critic / "config.yaml").read_text())
    assert config["algorithm"] == "grpo"
    assert "ppo" not in config
    lines = (trained_without_critic / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows[-1]["env_steps"] == 40960
    assert not {name for row in rows for name in row if "value" in name}
    assert rows[0]["rollout/live_steps"] > rows[-1]["rollout/live_steps"]  # it gets there sooner


@pytest.mark.heavy
def test_a_run_without_a_critic_goes_on_and_keeps_its_algorithm(trained_without_critic, python):
    one = "--checkpoint", str(trained_without_critic)
    more = (*one, "--total-env-steps", "43520", "--headless")
    for flag, said in (
        (("--algorithm", "ppo"), "is of --algorithm grpo, not ppo"),
        (("--grpo.group-size", "4"), "a run goes on with its own grpo.group_size 8"),
        (("--grpo.reference", "first"), "grpo.reference 'first' (checkpoint: 'update')"),
    ):
        result = python("-m", "screwpush_jax.train", *more, *flag, code=2)
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
    assert "restored" in python("-m", "screwpush_jax.train", *more, "--grpo.clip-eps", "0.1").stdout
    (older, *_) = sorted(
        (trained_without_critic / "checkpoints").iterdir(), key=lambda p: int(p.name)
    )
    anew = python(
        "-m", "screwpush_jax.train", "--checkpoint", str(older), *more[2:], "--name", "anew"
    )
    assert "restored" in anew.stdout


def test_its_options_are_those_of_the_run(trained):
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert config["rail"] == {"lag": 0.9}
    assert config["env"] == {"mark_rad": 1.0, "step_rad": 0.2, "horizon": 20, "num_starts": 64}


def test_it_goes_on(trained, python):
    more = ("--checkpoint", str(trained), "--total-env-steps", "43008", "--headless")
    assert "restored" in python("-m", "screwpush_jax.train", *more).stdout
    assert len(list(trained.glob("eval-*.json"))) == 2


def test_what_is_wrong_with_its_options_is_told(python):
    for flags, said in (
        (("--env.mark-rad", "3"), "--env.mark-rad 3; valid: at most 2, where the bar stops"),
        (("--rail.lag", "0"), "--rail.lag 0; valid: greater than 0"),
        (("--env.horizn", "3"), "--env.horizon"),
    ):
        result = python("-m", "screwpush_jax.train", "--task", "mark", *flags, code=2)
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


PLAIN_CALL = """
import sys
import toys
from screwpush_jax import cli, plugins, train
from screwpush_jax.tasks import registry

plugins.load = lambda: None  # as where no entry point is declared
registry.register(toys.MarkTask)
cli.run(train.main)
"""


def test_a_plain_call_registers_as_well_and_the_task_runs_on_an_engine_of_ours(python):
    result = python("-c", PLAIN_CALL, *SMALL, *BY_PPO, "--sim", "mujoco", "--name", "plain")
    assert "engine mujoco" in result.stdout
    (run,) = (python.folder / "runs" / "mark").glob("*-plain")
    assert evaluation(run)["learned"]["success_rate"] > 0.95


@pytest.fixture
def registries(monkeypatch):
    """Registries that forget what a test adds."""
    monkeypatch.setattr(tasks, "TASKS", dict(tasks.TASKS))
    monkeypatch.setattr(engines, "ENGINES", dict(engines.ENGINES))


def task_named(name):
    return SimpleNamespace(name=name)


@pytest.mark.usefixtures("registries")
def test_a_name_that_is_taken_or_none_is_refused():
    for name in ("separate", "two words", ""):
        with pytest.raises(ValueError, match="separate, goal"):
            tasks.register(task_named(name))
    tasks.register(task_named("reach"))
    assert list(tasks.TASKS)[-1] == "reach"


@pytest.mark.usefixtures("registries")
def test_one_that_cannot_be_loaded_is_told_and_the_others_are_there(monkeypatch, capsys):
    monkeypatch.setattr(sys.modules[__name__], "REACH", task_named("reach"), raising=False)
    listed = {
        "screwpush_jax.tasks": [
            EntryPoint("gone", "no_such_module:Task", "screwpush_jax.tasks"),
            EntryPoint("twice", f"{__name__}:tasks.TASKS", "screwpush_jax.tasks"),
            EntryPoint("reach", f"{__name__}:REACH", "screwpush_jax.tasks"),
        ],
        "screwpush_jax.engines": [],
    }
    monkeypatch.setattr(plugins, "entry_points", lambda group: listed[group])
    plugins.load.__wrapped__()
    assert list(tasks.TASKS)[-1] == "reach"
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" is left out")[0] for line in said] == [
        "screwpush_jax.tasks 'gone'",
        "screwpush_jax.tasks 'twice'",
    ]
    assert "no_such_module" in said[0]
