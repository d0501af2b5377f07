"""Configurations of older versions in today's names, worked out by hand."""

import pytest

from screwpush_jax import migrate
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import UsageError

Config = config_type()
OLD_SCENE = {"physics_dt_s": 0.02, "decimation": 5, "cone": "elliptic", "num_screws": 4}


@pytest.mark.parametrize("tree", [{"scene": OLD_SCENE}, {"env": {"scene": OLD_SCENE}}])
def test_the_one_physics_of_a_scene_is_what_training_and_evaluation_step(tree):
    config = from_tree(migrate.config_of_today(tree), Config, Config())
    physics = config.env.scene.physics
    for one in (physics.train, physics.eval):
        assert (one.dt_s, one.decimation, one.cone) == (0.02, 5, "elliptic")
        assert (one.contact_time_s, one.contact_impedance) == (0.02, (0.9, 0.95))
    assert physics.reference.control_dt_s == pytest.approx(0.1)
    assert config.env.scene.num_screws == 4
    config.check()


def test_an_old_default_stays_the_default_of_its_time():
    tree = {"env": {"scene": {"decimation": 4}}}
    physics = from_tree(migrate.config_of_today(tree), Config, Config()).env.scene.physics
    assert (physics.train.dt_s, physics.train.decimation) == (0.005, 4)


@pytest.mark.parametrize(
    ("old", "to"),
    [
        ({"wandb": False, "swanlab": False}, ("jsonl", "tensorboard")),
        ({"wandb": True, "swanlab": False}, ("jsonl", "tensorboard", "wandb")),
        ({"wandb": True, "swanlab": True}, ("jsonl", "tensorboard", "wandb", "swanlab")),
    ],
)
def test_loggers_that_were_on_are_named_in_a_list(old, to):
    tree = migrate.config_of_today({"log": {**old, "project": "mine"}})
    config = from_tree(tree, Config, Config())
    assert config.log.to == to
    assert config.log.project == "mine"


def test_a_configuration_of_today_stays_as_it_is():
    tree = {"env": {"scene": {"physics": {"train": {"dt_s": 0.01}}}}, "seed": 3}
    tree["log"] = {"to": ["wandb"]}
    assert migrate.config_of_today(tree) == tree


def test_an_old_flag_of_a_scene_is_told_the_new_ones():
    with pytest.raises(
        UsageError, match=r"physics\.train\.dt_s and env\.scene\.physics\.eval\.dt_s"
    ):
        from_tree({"env": {"scene": {"physics_dt_s": 0.01}}}, Config, Config())
