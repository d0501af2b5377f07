"""In which physics a run's start states settle, and how its scenes differ, seen by what is built."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from screwpush_jax import build, evaluate
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import UsageError
from screwpush_sim import registry
from screwpush_sim.options import MujocoConfig
from screwpush_sim.registry import EngineDef

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


VARIED = {
    "num_envs": 4,
    "sim": "mujoco",
    "eval": {"episodes": 3},
    "env": {"variation": {"friction": [0.5, 2.0], "drive_gain": [0.9, 0.9]}},
}


def test_a_worlds_scenes_differ_by_draws_from_the_seed_that_was_given():
    config = from_tree(VARIED, Config, Config())
    worlds = [build.make_world(config, 4, "train", seed) for seed in (5, 5, 6, None)]
    params = [jax.tree.map(np.asarray, world.sim.params) for world in worlds]
    for world in worlds:
        world.sim.close()
    assert params[3] == {}
    assert params[0].keys() == {"friction", "drive_gain"}
    np.testing.assert_array_equal(params[0]["friction"], params[1]["friction"])
    assert (params[0]["friction"] != params[2]["friction"]).all()
    np.testing.assert_array_equal(params[0]["drive_gain"], np.float32([0.9] * 4))


@pytest.mark.parametrize("is_varied", [False, True])
def test_evaluation_is_nominal_unless_it_is_asked_to_vary(monkeypatch, is_varied):
    config = from_tree({**VARIED, "eval": {"variation": is_varied}}, Config, Config())
    seeds = []
    monkeypatch.setattr(evaluate, "make_world", lambda *args: seeds.append(args[3]) or 1 / 0)
    monkeypatch.setattr(evaluate, "check_unseen", lambda config, found: None)
    with pytest.raises(ZeroDivisionError):
        evaluate.run(config, None)
    assert seeds == [config.eval.seed if is_varied else None]


@pytest.mark.parametrize(
    ("task", "sim", "name", "said"),
    [
        (
            "humanoid",
            "mujoco",
            "body_mass",
            "--env.variation.body-mass: body_mass: the scene has no",
        ),
        (
            "separate",
            "stiff",
            "friction",
            "--env.variation.friction: friction: engine stiff cannot",
        ),
    ],
)
def test_what_cannot_be_varied_is_refused_before_anything_is_built(
    monkeypatch, task, sim, name, said
):
    stiff = EngineDef("stiff", MujocoConfig, "nowhere:Nothing")
    monkeypatch.setattr(registry, "ENGINES", registry.ENGINES | {"stiff": stiff})
    kind = config_type(task)
    tree = {"sim": sim, "env": {"variation": {name: [0.5, 2.0]}}}
    config = from_tree(tree, kind, kind())
    with pytest.raises(UsageError) as caught:
        build.check_variation(config)
    assert str(caught.value).startswith(said)
    with pytest.raises(UsageError):
        build.make_world(config, 2, "train", 0)
