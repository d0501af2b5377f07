"""A checkpoint of format 1, as version 0.1.0 wrote it: what it has learned is read, no run goes on."""

import dataclasses
import tarfile
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax import checkpoint, resume
from screwpush_jax.algorithms.common.networks import make_network
from screwpush_jax.algorithms.common.rollout import best_action
from screwpush_jax.algorithms.ppo.update import init_learner
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import CheckpointError

Config = config_type()

ARCHIVE = Path(__file__).parent / "data" / "format1.tar.gz"
ACTIONS = [
    [0.62742358, -0.30895132, -0.34373662, 0.45969519, 0.01006826, 0.02631828],
    [1.54584408, -0.74633116, 0.74833465, -0.21454194, 0.34621689, 0.08024286],
]
"""What that version's policy does at `sin(0), sin(1), ...`, two observations of 77 numbers."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("format1")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return checkpoint.find("base", folder / "runs", "separate")


@pytest.fixture(scope="module")
def config(found):
    return from_tree(found.meta["config"], Config, Config())


def test_its_policy_does_what_it_did(found, config):
    init = partial(init_learner, config.ppo, 77, 6)
    learner = checkpoint.restore_learner(found, jax.eval_shape(init, jax.random.key(0)))
    obs = jnp.asarray(np.sin(np.arange(154)).reshape(2, 77), jnp.float32)
    act = jax.jit(partial(best_action, make_network(config.ppo, 6)))
    np.testing.assert_allclose(act(learner.policy, obs), ACTIONS, rtol=1e-5)
    assert learner.iteration == 8


def test_going_on_names_the_version_that_can(found, config):
    config = dataclasses.replace(config, total_env_steps=10**6)
    said = (
        r"format 1: its run goes on in version 0\.1\.0 of screwpush-jax; .* evaluated and played$"
    )
    with pytest.raises(CheckpointError, match=said):
        resume.settle(config, found)


def test_its_arrays_are_not_taken_for_todays(found):
    with pytest.raises(CheckpointError, match="format 1"):
        checkpoint.restore(found, None)


def test_a_format_of_the_future_is_refused(found, tmp_path):
    step = tmp_path / "runs" / "separate" / "later" / "checkpoints" / "7"
    (step / "meta").mkdir(parents=True)
    (step / "meta" / "metadata").write_text('{"format": 99}')
    with pytest.raises(CheckpointError, match="format 99; valid: 1, 2$"):
        checkpoint.find("later", tmp_path / "runs", "separate")
