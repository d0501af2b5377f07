"""Checkpoints of older formats: what they have learned acts as it did, and no run goes on with them.

Each archive in `data` holds what is read of a run that the last version of its format trained and
evaluated, two scenes with a network of four units: the learner, the meta data, and the evaluation.
"""

import dataclasses
import json

import pytest

from screwpush_jax import checkpoint, checkpoint_folder, evaluate, resume
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import CheckpointError

pytestmark = pytest.mark.slow

Config = config_type()

LAST_VERSION = {1: r"0\.1\.0", 2: r"0\.2\.0"}
STEP = {1: 8, 2: 160}


@pytest.fixture(scope="module", params=LAST_VERSION, ids="format{}".format)
def version(request):
    return request.param


@pytest.fixture(scope="module")
def found(version, tmp_path_factory, unpack_old_run):
    runs = unpack_old_run(version, tmp_path_factory.mktemp(f"format{version}"))
    return checkpoint_folder.find("old", runs, "separate")


@pytest.fixture(scope="module")
def config(found):
    return from_tree(found.meta["config"], Config, Config())


def test_it_evaluates_as_then(found, config, version):
    """By the learner of that time, brought to today's layout: each figure of that time."""
    (then,) = (json.loads(path.read_text()) for path in found.run_dir.glob("eval-*.json"))
    now = evaluate.run(config, found)["learned"]
    assert now.row() == pytest.approx(then["learned"], rel=1e-4)
    assert then["step"] == found.step == STEP[version]


def test_going_on_names_the_version_that_can(found, config, version):
    config = dataclasses.replace(config, total_env_steps=10**6)
    said = (
        rf"format {version}: its run goes on in version {LAST_VERSION[version]} of screwpush-jax;"
        r" .* evaluated and played$"
    )
    with pytest.raises(CheckpointError, match=said):
        resume.settle(config, found)


def test_its_arrays_are_not_taken_for_todays(found, version):
    with pytest.raises(CheckpointError, match=f"format {version}"):
        checkpoint.restore(found, None)


def test_a_format_of_the_future_is_refused(tmp_path):
    step = tmp_path / "runs" / "separate" / "later" / "checkpoints" / "7"
    (step / "meta").mkdir(parents=True)
    (step / "meta" / "metadata").write_text('{"format": 99}')
    with pytest.raises(CheckpointError, match="format 99; valid: 1, 2, 3$"):
        checkpoint_folder.find("later", tmp_path / "runs", "separate")
