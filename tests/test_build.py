"""In which physics a run's start states settle, seen by what is built."""

from types import SimpleNamespace

import pytest

from screwpush_jax import build
from screwpush_jax.config import config_type, from_tree

Config = config_type()


@pytest.mark.parametrize(("num_envs", "scenes"), [(8, 8), (64, 16)])
def test_start_states_settle_in_the_physics_of_evaluation(monkeypatch, num_envs, scenes):
    config = from_tree({"num_envs": num_envs, "env": {"bank_size": 16}}, Config, Config())
    built, closed = [], []
    sim = SimpleNamespace(
        report=lambda: lambda: {"perf/steps": 7.0}, close=lambda: closed.append(True)
    )
    task = SimpleNamespace(starts=lambda sim, size, seed, jit: (size, seed))

    def make_world(config, num_envs, physics):
        built.append((num_envs, physics))
        return SimpleNamespace(sim=sim, task=task)

    monkeypatch.setattr(build, "make_world", make_world)
    reports = []
    assert build.find_starts(config, reports.append) == (16, config.seed)
    assert reports == [{"perf/steps": 7.0}]
    assert built == [(scenes, "eval")]
    assert closed


@pytest.mark.parametrize(("observation", "bound"), [("full", True), ("set", False)])
def test_a_policy_that_reads_a_set_is_not_bound_to_how_many_there_are(observation, bound):
    def config(count, observation):
        env = {"observation": observation, "scene": {"num_screws": count}}
        return from_tree({"env": env}, Config, Config())

    three, five = (config(count, observation) for count in (3, 5))
    changed = ["env.scene.num_screws 5 (checkpoint: 3)"] if bound else []
    assert build.differences(five, three) == changed
    other = config(3, "set" if bound else "full")
    assert [line.split()[0] for line in build.differences(other, three)] == ["env.observation"]
