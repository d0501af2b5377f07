"""Start states of bodies of several sizes: each environment starts from one of its own size."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.env import Env, EnvKeys, advance, init_env
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.separate.task import SeparateTask
from screwpush_jax.tasks.start_classes import counts, own_class, start_classes
from screwpush_sim.options import MujocoConfig
from screwpush_sim.registry import make_simulator
from screwpush_sim.state import zero_state
from screwpush_sim.variation import Variation

SIZES, ROWS = Variation(body_size=(0.75, 1.3), body_sizes=3), 7


@pytest.mark.parametrize(("size", "classes"), [(10, 3), (3, 3), (64, 8), (9, 2), (5, 1)])
@pytest.mark.parametrize("xp", [np, jnp])
def test_a_row_of_the_own_class_is_near_and_there(size, classes, xp):
    num_envs = 40
    rows = np.random.default_rng(0).integers(0, size, (2, num_envs)).astype(np.int32)
    envs = np.tile(np.arange(num_envs, dtype=np.int32), (2, 1))
    chosen = np.asarray(own_class(xp.asarray(rows), xp.asarray(envs), classes))
    assert chosen.dtype == np.int32
    assert chosen.min() >= 0
    assert chosen.max() < size
    np.testing.assert_array_equal(chosen % classes, envs % classes)
    assert np.abs(chosen - rows).max() < max(classes, 1)
    if classes == 1:
        np.testing.assert_array_equal(chosen, rows)


@pytest.mark.parametrize(("size", "classes"), [(10, 3), (3, 3), (7, 8), (5, 1)])
def test_rows_are_counted_by_class(size, classes):
    wanted = np.bincount(np.arange(size) % classes, minlength=classes)
    np.testing.assert_array_equal(counts(classes, size), wanted)


def test_a_task_has_as_many_classes_as_its_bodies_have_sizes():
    sizes = Variation(body_size=(0.8, 1.2), body_sizes=5)
    assert start_classes(SeparateTask(SeparateConfig(variation=sizes))) == 5
    assert start_classes(SeparateTask(SeparateConfig(variation=Variation(body_sizes=5)))) == 1
    assert start_classes(object()) == 1


@pytest.mark.slow
def test_an_environment_starts_from_a_row_of_its_own_class():
    """Each start says its number by where its screws lie."""
    size, num_envs = 20, 12
    task = SeparateTask(SeparateConfig(variation=SIZES))
    starts = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), task.abstract_starts(size))
    numbers = jnp.broadcast_to(jnp.arange(float(size))[:, None, None], (size, 3, 3))
    starts = dataclasses.replace(starts, state=starts.state.with_bodies("screws", pos_w=numbers))
    env = Env(task, lambda views: views["state"], lambda state: {"state": state})
    state = init_env(task, starts, num_envs)
    views = {"state": zero_state(task.scene(), num_envs)}
    start = jax.jit(partial(advance, env))
    rows = []
    for seed in range(4):
        keys = EnvKeys(*jax.random.split(jax.random.key(seed), 4))
        now = start(starts, state, views, keys)[2]
        rows.append(np.asarray(now.derived.state.bodies["screws"].pos_w[:, 0, 0]).astype(int))
    np.testing.assert_array_equal(
        np.stack(rows) % 3, np.broadcast_to(np.arange(num_envs) % 3, (4, num_envs))
    )
    assert len(np.unique(rows)) > size // 2, "not always the same ones"


def moved(task, rows, factors):
    """How far screws of the jumbles `rows`, put into scenes of these sizes, go within 0.2 s, `[N]` m."""
    sim = make_simulator(
        *("mujoco", task.scene(), len(factors), MujocoConfig(num_threads=2)),
        {"body_size": factors},
    )
    state = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), rows)
    sim.write(jnp.ones(len(factors), bool), sim.pack(state))
    for _ in range(4):
        sim.step(state.robot.joint_pos)
    way = sim.unpack(sim.views()).bodies["screws"].pos_w - state.bodies["screws"].pos_w
    sim.close()
    return np.linalg.norm(way, axis=-1).max(axis=1)


@pytest.mark.slow
def test_what_settled_in_a_size_rests_in_that_size_alone(jit):
    """Put into scenes of the row's own class it rests; in those of the next one it does not."""
    config = dataclasses.replace(SeparateConfig(), variation=SIZES, settle_s=1.0)
    task = SeparateTask(config)
    sim = make_simulator(
        "mujoco", task.scene(), 6, MujocoConfig(num_threads=2), SIZES.draw_sizes(6)
    )
    starts = task.starts(sim, ROWS, 0, jit)
    sim.close()
    own = SIZES.draw_sizes(ROWS)["body_size"]
    np.testing.assert_allclose(own[:3], [0.75, 0.75 * (1.3 / 0.75) ** 0.5, 1.3], rtol=1e-6)
    other = SIZES.draw_sizes(ROWS + 1)["body_size"][1:]
    assert moved(task, starts.state, own).max() < 2e-4
    assert moved(task, starts.state, other).min() > 5e-4
