"""What is saved was really saved, and what a checkpoint from somewhere else may decide."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from screwpush_jax import checkpoint, checkpoint_folder, cli
from screwpush_jax.checkpoint import CheckpointStore, RunState
from screwpush_jax.config import config_type
from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.field_kinds import of_a_run, with_values
from screwpush_jax.score import Score
from screwpush_jax.transition import Carry

Config = config_type()

SCORE = Score.of_proportion(0.5, 10, "training")
META = {
    **dict.fromkeys(("config", "counters", "obs_layout"), {}),
    **{"engine": "mujoco", "task": "separate", "t": 0},
}


def state(value):
    """The least that can be saved: three arrays and a key where a run has many."""
    carry = Carry(
        key=jax.random.key(1),
        t=jnp.int32(0),
        env=jnp.full(3, value, jnp.float32),
        pending=None,
        rollout=jnp.zeros(4, jnp.float32),
        tally=None,
    )
    learner = {"weights": jnp.full((2, 2), value, jnp.float32), "nothing": jnp.float32(jnp.nan)}
    return RunState(learner, carry, jnp.arange(3.0), {"qpos": np.arange(4.0)})


@pytest.fixture
def store(tmp_path):
    made = CheckpointStore(tmp_path, keep=2)
    yield made
    made.close()


def test_what_was_saved_reads_back(store, tmp_path):
    store.save(128, state(3.0), META, SCORE)
    back = checkpoint.restore(checkpoint_folder.find_in(tmp_path, best=True), state(0.0))
    np.testing.assert_array_equal(back.learner["weights"], 3.0)
    np.testing.assert_array_equal(back.carry.env, 3.0)
    assert jax.random.key_data(back.carry.key).tolist() == [0, 1]


def test_a_run_whose_environments_kept_other_arrays_can_lend_its_policy(store, tmp_path):
    store.save(128, state(3.0), META, SCORE)
    found = checkpoint_folder.find_in(tmp_path, best=True)
    other = state(0.0)
    env = {"sum": other.carry.env, "sum of a new term": other.carry.env}
    other = dataclasses.replace(other, carry=dataclasses.replace(other.carry, env=env))
    with pytest.raises(CheckpointError) as refused:
        checkpoint.restore(found, other)
    assert f"; --init-from {tmp_path / 'checkpoints' / '128'} begins" in str(refused.value)
    learner = checkpoint.restore_learner(found, other.learner)
    np.testing.assert_array_equal(learner["weights"], 3.0)
    other = dataclasses.replace(other, learner={"other": jnp.zeros(1)})
    with pytest.raises(CheckpointError) as refused:  # its policy is of no use
        checkpoint.restore_learner(found, other.learner)
    assert "--init-from" not in str(refused.value)


def test_an_existing_step_is_an_error_and_stays(store, tmp_path):
    store.save(128, state(3.0), META, SCORE)
    with pytest.raises(CheckpointError, match="exists already"):
        store.save(128, state(4.0), META, SCORE)
    back = checkpoint.restore(checkpoint_folder.find_in(tmp_path, best=False), state(0.0))
    np.testing.assert_array_equal(back.learner["weights"], 3.0)


def test_a_save_that_orbax_declines_is_an_error(store, monkeypatch):
    monkeypatch.setattr(ocp.CheckpointManager, "save", lambda *args, **more: False)
    with pytest.raises(CheckpointError, match="was not written"):
        store.save(128, state(3.0), META, SCORE)


def test_a_full_disk_is_one_line(store, monkeypatch):
    def full(*args, **more):
        raise OSError(28, "No space left\non device")

    monkeypatch.setattr(ocp.CheckpointManager, "save", full)
    with pytest.raises(CheckpointError, match="cannot be written: .*No space left on device"):
        store.save(128, state(3.0), META, SCORE)


@pytest.mark.parametrize("part", ["learner", "state"])
def test_the_first_save_is_read_back_and_compared(store, monkeypatch, part):
    """Orbax says that all is well and has written something else."""
    write = ocp.CheckpointManager.save

    def other(manager, step, args, metrics):
        items = dict(args.items())
        items[part] = ocp.args.StandardSave(jax.tree.map(lambda x: x + 1, items[part].item))
        return write(manager, step, metrics=metrics, args=ocp.args.Composite(**items))

    monkeypatch.setattr(ocp.CheckpointManager, "save", other)
    with pytest.raises(CheckpointError, match="reads back as something else"):
        store.save(128, state(3.0), META, SCORE)


def test_a_path_that_orbax_cannot_read_is_refused(tmp_path):
    for name in ("a[16]", "b*", "c?"):
        with pytest.raises(UsageError, match="valid: a path without"):
            checkpoint_folder.find(str(make_run(tmp_path / name)), tmp_path, "separate")


def make_run(path):
    (path / "checkpoints" / "128").mkdir(parents=True)
    return path


def leaves(section, prefix=""):
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


OF_A_MACHINE = {
    *("placement.sim", "placement.learner"),
    *(f"video.{name}" for name in ("every", "scenes", "episodes", "size", "format")),
    *("device", "num_gpus", "compile_cache", "name", "runs_dir", "mujoco.num_threads"),
    *("log.to", "log.project"),
    *("isaacgym.python", "isaacgym.python_path", "isaacgym.pipeline", "isaacgym.handover"),
    *("isaacgym.viewer", "isaacgym.start_timeout_s", "isaacgym.step_timeout_s"),
    *("isaacgym.spin_s", "isaacgym.restarts", "isaacgym.num_threads"),
    "isaacgym.graphics_device",
    *("physx.pipeline", "physx.num_threads"),
}
"""What a checkpoint, which may come from anywhere, must not decide: programs, folders, services."""


def other_than(value):
    """A value of the same type that is not the default."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return (*value, *value[:1]) if isinstance(value, tuple) else f"other {value}"


def changed(section, prefix=""):
    values = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        whole = dataclasses.is_dataclass(value)
        values[field.name] = changed(value) if whole else other_than(value)
    return dataclasses.replace(section, **values)


def get(config, path):
    for name in path.split("."):
        config = getattr(config, name)
    return config


def test_a_checkpoint_sets_all_of_its_run_and_nothing_of_a_machine():
    theirs, ours = changed(Config()), Config()
    taken = with_values(ours, of_a_run(theirs))
    came = {path for path in leaves(ours) if get(taken, path) == get(theirs, path)}
    assert set(leaves(ours)) - came == OF_A_MACHINE
    assert all(get(taken, path) == get(ours, path) for path in OF_A_MACHINE)


def test_the_flags_of_a_machine_are_said_again():
    config = dataclasses.replace(Config(), device="cpu", seed=5, name="x", runs_dir="elsewhere")
    gym = dataclasses.replace(config.isaacgym, python="/opt/my python", viewer=True, substeps=3)
    log = dataclasses.replace(config.log, to=("jsonl", "wandb"))
    flags = cli.machine_flags(dataclasses.replace(config, isaacgym=gym, log=log))
    assert flags == [
        *("--device", "cpu", "--log.to", "jsonl", "wandb"),
        *("--isaacgym.python", "/opt/my python", "--isaacgym.viewer"),
    ]
