"""In which physics a run's start states settle, and how its scenes differ, seen by what is built."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from screwpush_jax import build, evaluate
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import UsageError
from screwpush_jax.tasks.separate.task import SeparateTask
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

    def make_world(config, num_envs, physics, params):
        built.append((num_envs, physics))
        assert params == {}
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


@pytest.mark.parametrize(
    ("options", "now", "before"),
    [
        ({}, ("friction",), ("friction", "drive_gain")),
        ({}, ("friction", "body_mass"), ("friction", "drive_gain")),  # as many, and other ones
        ({"asymmetric_critic": False}, (), ()),
        ({"algorithm": "grpo"}, (), ()),
    ],
)
def test_a_critic_that_sees_what_varies_is_bound_to_it(options, now, before):
    algorithm = options.get("algorithm", "ppo")
    kind = config_type(algorithm=algorithm)

    def config(*names):
        env = {"disturbance": {"asymmetric_critic": options.get("asymmetric_critic", True)}}
        env["variation"] = dict.fromkeys(names, [0.5, 2.0])
        return from_tree({"env": env, "algorithm": algorithm}, kind, kind())

    old = config("friction", "drive_gain")
    assert build.differences(config("drive_gain", "friction"), old) == []
    said = build.differences(config(*now), old)
    assert said == ([f"what env.variation varies {now} (checkpoint: {before})"] if before else [])


VARIED = {
    "num_envs": 4,
    "sim": "mujoco",
    "eval": {"episodes": 3},
    "env": {"variation": {"friction": [0.5, 2.0], "drive_gain": [0.9, 0.9]}},
}


def test_a_task_whose_score_is_none_of_its_metrics_is_refused_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(SeparateTask, "score", "solved")
    monkeypatch.setattr(registry, "make_simulator", None)
    said = "--task separate: its score is 'solved'; valid: one of its metrics, success_once, out"
    with pytest.raises(UsageError, match=said):
        build.make_world(from_tree({"sim": "mujoco"}, Config, Config()), 4, "train")


def test_a_worlds_scenes_differ_by_draws_from_the_seed_that_was_given():
    config = from_tree(VARIED, Config, Config())
    drawn = [*(build.draw_params(config, 4, seed) for seed in (5, 5, 6)), None]
    worlds = [build.make_world(config, 4, "train", params) for params in drawn]
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
    settings = {**VARIED, "eval": {"variation": is_varied, "episodes": 3}}
    config = from_tree(settings, Config, Config())
    built = []
    monkeypatch.setattr(evaluate, "make_world", lambda *args: built.append(args[3]) or 1 / 0)
    monkeypatch.setattr(evaluate, "check_unseen", lambda config, found: None)
    with pytest.raises(ZeroDivisionError):
        evaluate.run(config, None)
    wanted = config.env.variation.draw(3, config.eval.seed) if is_varied else {}
    jax.tree.map(np.testing.assert_array_equal, built[0] or {}, wanted)


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
        build.check_variation(config, 2)
    assert str(caught.value).startswith(said)
    with pytest.raises(UsageError):
        build.draw_params(config, 2, 0)


def test_more_sizes_than_scenes_or_start_states_are_refused():
    tree = {"env": {"bank_size": 5, "variation": {"body_size": [0.8, 1.2], "body_sizes": 6}}}
    config = from_tree({"sim": "mujoco", **tree}, Config, Config())
    for num_envs, most in ((16, 5), (4, 4)):
        with pytest.raises(UsageError) as caught:
            build.check_variation(config, num_envs)
        assert str(caught.value).startswith(f"--env.variation.body-sizes 6; valid: at most {most}")
