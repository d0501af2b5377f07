"""A run that begins with another's weights: they are all that it takes, and only where they fit."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from screwpush_jax import checkpoint_folder, evaluate, init_from
from screwpush_jax.build import make_world
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.evaluation import examine
from screwpush_jax.field_kinds import with_values
from screwpush_jax.loggers.provenance import PROVENANCE_FILE

Config = config_type()


@pytest.fixture(scope="module")
def runs(tmp_path_factory, unpack_old_run):
    """A run of an older version, two scenes with a network of four units, and its evaluation."""
    return unpack_old_run(2, tmp_path_factory.mktemp("format2"))


@pytest.fixture(scope="module")
def config(runs):
    """Of a new run, of a policy like that one's and with another seed."""
    found = checkpoint_folder.find("old", runs, "separate")
    config = from_tree(found.meta["config"], Config, Config())
    return dataclasses.replace(config, runs_dir=str(runs), seed=5, name="new")


@pytest.fixture(scope="module")
def source(config):
    found = init_from.find(config, "old", goes_on=False)
    assert found is not None
    return found


@pytest.mark.slow
def test_it_takes_the_policy_and_nothing_else(config, source):
    """And the new run's first policy is evaluated as the source was, whatever the new run's settings."""
    (then,) = (json.loads(path.read_text()) for path in source.run_dir.glob("eval-*.json"))
    world = make_world(config, then["episodes"], "eval")
    fresh = world.algorithm.init(jax.random.key(11))
    fresh = dataclasses.replace(fresh, learning_rate=np.float32(0.125))
    begun = init_from.with_weights(source, world, fresh)
    policy = evaluate.load_policy(config, source, world)
    jax.tree.map(np.testing.assert_array_equal, begun.policy, policy)
    kernels = [jax.tree.leaves(one.policy.params)[-1] for one in (begun, fresh)]
    assert not np.array_equal(*kernels)
    assert float(begun.policy.obs_moments["policy"].count) > 0
    for name in ("opt_state", "learning_rate", "iteration"):
        jax.tree.map(np.testing.assert_array_equal, getattr(begun, name), getattr(fresh, name))
    np.testing.assert_array_equal(*(jax.random.key_data(one.key) for one in (begun, fresh)))
    result = examine(world, begun.policy, config.eval.seed, baselines=False)["learned"]
    world.sim.close()
    assert result.row() == pytest.approx(then["learned"], rel=1e-4)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ppo.hidden_sizes": (8,)}, r"hidden_sizes \(8,\) \(checkpoint: "),
        ({"env.scene.num_screws": 2}, r"num_screws 2 \(checkpoint: 3\)"),
        ({"env.active_axes": ("x", "y")}, "active_axes"),
        ({"env.observation": "prototype19"}, "observation 'prototype19'"),
        ({"env.disturbance.asymmetric_critic": True}, "asymmetric_critic True"),
    ],
)
def test_a_policy_that_does_not_fit_is_told(config, values, said):
    with pytest.raises(CheckpointError, match=said) as caught:
        init_from.find(with_values(config, values), "old", goes_on=False)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("valid with --init-from: the checkpoint's values")


def test_other_physics_disturbances_and_learning_are_the_new_runs_own(config):
    values = {"env.scene.friction": 0.3, "env.disturbance.delay_steps": (0, 2), "num_envs": 8}
    values |= {"ppo.gamma": 0.9, "env.reward.time": -1.0}
    assert init_from.find(with_values(config, values), "old", goes_on=False)


def test_a_policy_of_another_task_is_told(config, runs):
    goal = config_type("goal")()
    goal = dataclasses.replace(goal, runs_dir=str(runs))
    folder = str(checkpoint_folder.find("old", runs, "separate").run_dir)
    with pytest.raises(UsageError, match="is a policy of --task separate, not goal"):
        init_from.find(goal, folder, goes_on=False)


def test_a_layout_that_this_version_does_not_have_is_told(config, runs, monkeypatch):
    layout = ("tip_pos_c", 0, 3), ("colour", 3, 6)
    monkeypatch.setattr(
        "screwpush_jax.tasks.separate.task.SeparateTask.obs_layout", property(lambda _: layout)
    )
    with pytest.raises(CheckpointError, match="another observation layout"):
        init_from.find(config, "old", goes_on=False)


def test_a_name_that_is_not_there_is_told_under_its_own_flag(config):
    with pytest.raises(CheckpointError, match="--init-from nobody: nothing there; valid: latest"):
        init_from.find(config, "nobody", goes_on=False)


def test_a_run_that_goes_on_takes_no_other_weights(config):
    with pytest.raises(UsageError, match="--init-from old begins a run; valid: without"):
        init_from.find(config, "old", goes_on=True)


def test_without_it_nothing_is_looked_for(config):
    nowhere = dataclasses.replace(config, runs_dir="/nowhere")
    assert init_from.find(nowhere, "", goes_on=True) is None


def test_where_weights_came_from_stays_with_the_run(source, tmp_path):
    said = init_from.origin(source, None)
    assert said == {"init_from": {"run": str(source.run_dir), "step": source.step}}
    (tmp_path / PROVENANCE_FILE).write_text(json.dumps({"commit": "a", **said}))
    assert init_from.origin(None, tmp_path) == said
    assert init_from.origin(None, None) == {}
    for text in ("{}", "no JSON", "[1]"):
        (tmp_path / PROVENANCE_FILE).write_text(text)
        assert init_from.origin(None, tmp_path) == {}
    assert init_from.origin(None, tmp_path / "nowhere") == {}
