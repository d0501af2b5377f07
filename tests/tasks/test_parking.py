"""Episodes about fewer screws than the scene has: as if the parked ones were not there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.tasks.screws import jumble, parking
from screwpush_jax.tasks.separate.draw import draw
from screwpush_jax.tasks.separate.scripted import scripted
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.options import MujocoConfig
from screwpush_sim.registry import make_simulator

MOST, N = 5, 6


@pytest.fixture
def mixed(make_task):
    """About two to five screws."""
    return make_task(MOST, observation="set", fewest_screws=2)


def parked(state, number):
    """`state`, whose screws from the one of that number on are parked."""
    pos = np.array(state.bodies["screws"].pos_w)
    pos[:, number:, :2] = parking.spots(MOST)[number:]
    return state.with_bodies("screws", pos_w=jnp.asarray(pos))


def cut(state, number):
    """The scene with the first screws alone."""
    return state.with_bodies(
        "screws", **{n: leaf[:, :number] for n, leaf in vars(state.bodies["screws"]).items()}
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 4])
def test_a_step_is_that_of_a_scene_without_the_parked(
    mixed, make_task, random_state, memory_of, step, number
):
    """Reward, ends and success, near the border and far from it, at rest and not."""
    plain = make_task(number, observation="set")
    state = random_state(3, N, MOST)
    pos = np.array(state.bodies["screws"].pos_w)
    pos[0, 0, 0] = -0.39  # out of the area
    pos[1, :, 1] = np.linspace(-0.34, 0.34, MOST)  # apart
    still = np.array(state.bodies["screws"].linvel_w)
    still[1] = 0.0
    state = state.with_bodies("screws", pos_w=jnp.asarray(pos), linvel_w=jnp.asarray(still))
    whole = parked(state, number)
    none = jnp.zeros(N, bool)
    results = []
    for task, one in ((mixed, whole), (plain, cut(whole, number))):
        memory = memory_of(task, one.robot.joint_pos)
        result, memory = step(task, memory, one, none)
        results.append((result, memory.held, task.is_invalid(one)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), *results)
    assert results[0][0].metrics["out_of_area"].tolist()[:2] == [True, False]
    assert results[0][1].tolist()[:2] == [0, 1]


@pytest.mark.slow
def test_the_parked_are_seen_as_empty_places_and_all_else_as_without_them(
    mixed, make_task, observed
):
    obs = observed(mixed, lambda s: parked(s, 3), screws=MOST)[3]
    few = observed(make_task(3, observation="set"), lambda s: cut(s, 3), screws=MOST)[3]
    (one,) = mixed.obs_sets.values()
    screws = obs[:, one.start :].reshape(N, MOST, one.size)
    np.testing.assert_array_equal(screws[..., 0], [[1, 1, 1, 0, 0]] * N)
    assert not screws[:, 3:].any()
    np.testing.assert_allclose(obs[:, : few.shape[1]], few, atol=1e-6)


def test_the_script_pushes_no_parked_screw(mixed, make_task, random_state, memory_of):
    state = parked(random_state(5, N, MOST), 3)
    act, actions = jax.jit(scripted, static_argnums=0), []
    for task, one in ((mixed, state), (make_task(3), cut(state, 3))):
        memory = memory_of(task, one.robot.joint_pos)
        actions.append(act(task, memory, task.derive(memory, one), jax.random.key(0)))
    np.testing.assert_allclose(*actions, atol=1e-5)


def test_no_line_is_drawn_to_a_parked_screw(mixed, random_state):
    pos = np.asarray(parked(random_state(5, 1, MOST), 3).bodies["screws"].pos_w)[0]
    assert len(draw(mixed.config, pos).lines) == 3


def test_a_drop_of_some_is_that_of_a_scene_of_as_many(mixed):
    config, rad = mixed.config, np.zeros(6)
    some, few = (
        jumble.drop(config, rad, 9, screws, np.random.default_rng(0), 3).bodies["screws"].pos_w
        for screws in (MOST, 3)
    )
    np.testing.assert_array_equal(some[:, :3], few)
    np.testing.assert_allclose(some[:, 3:, :2], np.tile(parking.spots(MOST)[3:], (9, 1, 1)))


def test_a_turned_jumble_leaves_the_parked_where_they_are(mixed, random_state):
    state = parked(random_state(2, 4, MOST), 2)
    turned = jumble.turned(mixed.config, state, np.arange(4), np.random.default_rng(0))
    before, after = (np.asarray(s.bodies["screws"].pos_w) for s in (state, turned))
    np.testing.assert_array_equal(before[:, 2:], after[:, 2:])
    assert np.abs(before[:, :2] - after[:, :2]).max(axis=(1, 2)).min() > 1e-3


@pytest.fixture(scope="module")
def crowd():
    scene = make_scene(SceneConfig(num_screws=MOST), physics="train")
    sim = make_simulator("mujoco", scene, 16, MujocoConfig(num_threads=2))
    yield sim
    sim.close()


@pytest.mark.slow
def test_a_bank_is_about_each_number_equally_often_and_its_jumbles_keep_the_rules(
    mixed, crowd, jit
):
    found = mixed.starts(crowd, 10, 0, jit)
    pos = np.asarray(found.state.bodies["screws"].pos_w)
    there = parking.present(mixed.config, pos)
    assert np.sum(there, axis=1).tolist() == [2, 2, 2, 3, 3, 3, 4, 4, 5, 5]
    offset = np.linalg.norm(pos[..., :2] - [-0.75, 0.0], axis=-1)
    assert offset[:6, :2].max() < 0.12
    assert offset[there].max() < 0.12 * (5 / 3) ** 0.5
    state = jax.tree.map(lambda leaf: leaf[np.arange(16) % 10], found.state)
    crowd.write(jnp.ones(16, bool), crowd.pack(state))
    for _ in range(20):
        crowd.step(state.robot.joint_pos)
    moved = np.asarray(crowd.unpack(crowd.views()).bodies["screws"].pos_w)[:10] - pos
    assert np.linalg.norm(moved, axis=-1).max() < 2e-3, "all rest, the parked, too"


def test_an_episode_about_all_screws_parks_none(make_task, random_state):
    task = make_task(MOST, observation="set", fewest_screws=MOST)
    assert task.config.counts == make_task(MOST).config.counts
    pos = np.asarray(random_state(0, 1, MOST).bodies["screws"].pos_w)
    assert np.all(parking.present(task.config, pos - np.array([9.0, 0, 0])))
