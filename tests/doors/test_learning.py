"""Other people's learners learn through the doors, by the examples as they are shipped."""

import importlib.util
from pathlib import Path

import pytest

from screwpush_jax import doors

from .toy import TOY

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("default"),  # these packages warn of each other
]
EXAMPLES = Path(__file__).parent.parent.parent / "examples"
ENV_ID = "ScrewPush/Mark-v0"


@pytest.fixture
def example(request, toys, tmp_path, monkeypatch):
    """`example(name, package)`: the `main` of that example."""
    doors.register()
    monkeypatch.chdir(tmp_path)

    def load(name, package):
        pytest.importorskip(package)
        # rsl_rl and skrl set none, and with one seed in six skrl needs more iterations
        pytest.importorskip("torch").manual_seed(1)
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main

    return load


def test_gymnasium(example):
    returns = example("gymnasium_vec", "gymnasium")(ENV_ID, num_envs=8, steps=60, **TOY)
    assert len(returns) >= 16


def test_stable_baselines3(example):
    means = example("sb3_ppo", "stable_baselines3")("mark", num_envs=64, iterations=12, **TOY)
    assert means[-1] > -6.0 > -12.0 > means[0]


def test_rllib(example):
    means = example("rllib_ppo", "ray")(ENV_ID, num_envs=32, iterations=25, **TOY)
    assert means[-1] > -6.0 > -12.0 > means[0]


def test_rsl_rl(example):
    run = example("rsl_rl_ppo", "rsl_rl")
    before = run("mark", num_envs=64, iterations=1, log_dir="before", **TOY)
    after = run("mark", num_envs=64, iterations=20, log_dir="after", **TOY)
    assert after > -3.0 > -8.0 > before


def test_skrl(example, monkeypatch):
    run = example("skrl_ppo", "skrl")
    from screwpush_jax.doors.skrl import SkrlEnv

    returns, step = [], SkrlEnv.step

    def spy(self, actions):
        *told, infos = step(self, actions)
        returns.extend([infos["episode"]["return"].item()] if "episode" in infos else [])
        return *told, infos

    monkeypatch.setattr(SkrlEnv, "step", spy)
    run("mark", num_envs=64, iterations=20, **TOY)
    first, last = sum(returns[:20]) / 20, sum(returns[-20:]) / 20  # at first of cut episodes
    assert last > -4.0 > -8.0 > first
