"""The start states: jumbles by an independent check, arm poses that touch nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from screwpush_jax.tasks.screws.jumble import accept
from screwpush_jax.tasks.task import StartsError
from sim.assets import mjcf
from sim.scene import SceneConfig

D, CENTER = 0.15, np.array([-0.75, 0.0])


@pytest.fixture(scope="module")
def screws(starts):
    return jax.tree.map(np.asarray, starts.state)


def test_there_are_as_many_as_were_asked_for(starts):
    assert {leaf.shape[0] for leaf in jax.tree.leaves(starts)} == {40}


def test_every_screw_of_a_jumble_rests(screws):
    assert np.linalg.norm(screws.screw_linvel_w, axis=-1).max() < 0.01


def test_every_screw_lies_in_the_inner_area_on_the_table(screws):
    assert np.linalg.norm(screws.screw_pos_w[..., :2] - CENTER, axis=-1).max() < 0.12
    assert screws.screw_pos_w[..., 2].max() < 0.025
    assert screws.screw_pos_w[..., 2].min() > 0.005


def test_every_jumble_is_tight_and_none_is_solved(screws):
    distances = np.array([pdist(pos) for pos in screws.screw_pos_w])
    assert distances.max() < 0.8 * D
    assert distances.min(axis=1).max() < 0.6 * D


def test_jumbles_differ(screws):
    assert len(np.unique(screws.screw_pos_w.round(5).reshape(40, -1), axis=0)) == 40
    assert np.std(screws.screw_pos_w[..., 0]) > 0.02


def test_the_same_seed_gives_the_same_starts_and_another_others(make_task, sim, starts, jit):
    again, other = (make_task().starts(sim, 40, seed, jit) for seed in (0, 4))
    jax.tree.map(np.testing.assert_array_equal, starts, again)
    assert not np.allclose(starts.state.screw_pos_w, other.state.screw_pos_w, atol=1e-3)
    assert not np.allclose(starts.joint_starts_rad, other.joint_starts_rad, atol=1e-3)


@pytest.fixture(scope="module")
def mujoco_scene():
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(SceneConfig()))
    return model, mujoco.MjData(model)


def test_start_poses_hold_the_rod_upright_in_the_stated_box(starts, mujoco_scene):
    model, data = mujoco_scene
    tips = []
    for joints in np.asarray(starts.joint_starts_rad):
        data.qpos[:6] = joints
        mujoco.mj_kinematics(model, data)
        tips.append(data.site("tip").xpos.copy())
        np.testing.assert_allclose(data.site("tip").xmat.reshape(3, 3)[:, 2], [0, 0, -1], atol=1e-5)
    tips = np.array(tips)
    assert np.abs(tips[:, :2] - CENTER).max() < 0.15 + 1e-5
    assert tips[:, 2].min() > 0.06 - 1e-5
    assert tips[:, 2].max() < 0.10 + 1e-5
    assert (np.ptp(tips, axis=0) > [0.2, 0.2, 0.03]).all(), "they are spread"
    np.testing.assert_allclose(starts.tips.pos_w, tips, atol=3e-6)


def test_no_start_touches_anything(starts, screws, mujoco_scene):
    """Every arm pose above every jumble."""
    model, data = mujoco_scene
    arm_geoms = {model.geom("rod").id, model.geom("wrist").id}
    for row in range(40):
        for start in np.asarray(starts.joint_starts_rad)[::4]:
            pose = np.concatenate([screws.screw_pos_w[row], screws.screw_quat_w[row]], axis=-1)
            data.qpos[:] = np.concatenate([start, pose.ravel()])
            mujoco.mj_forward(model, data)
            touching = set(data.contact.geom[: data.ncon].ravel().tolist())
            assert not touching & arm_geoms


def drift_in_one_second(starts, sim) -> np.ndarray:
    """How far (m) each of the first eight jumbles moves when it is left alone."""
    some = jax.tree.map(lambda leaf: leaf[:8], starts.state)
    sim.write(jnp.ones(8, bool), sim.pack(some))
    for _ in range(round(1 / sim.spec.control_dt_s)):
        sim.step(some.joint_pos_rad)
    moved = np.asarray(sim.unpack(sim.views()).screw_pos_w - some.screw_pos_w)
    return np.linalg.norm(moved, axis=-1).max(axis=1)


def test_a_jumble_stays_put(starts, sim):
    shifted = [jax.tree.map(lambda leaf, n=n: leaf[8 * n :], starts) for n in range(5)]
    assert max(drift_in_one_second(part, sim).max() for part in shifted) < 1e-3


def test_episodes_begin_as_the_start_states_say(make_task, starts):
    task = make_task()
    rows = jnp.array([[3, 0], [5, 39]])
    derived, memory = task.reset(starts, rows, jax.random.key(0))
    np.testing.assert_array_equal(derived.state.screw_pos_w, starts.state.screw_pos_w[rows[0]])
    np.testing.assert_array_equal(derived.state.joint_pos_rad, starts.joint_starts_rad[rows[1]])
    np.testing.assert_array_equal(memory.joint_targets, derived.state.joint_pos_rad)
    assert not np.any(derived.state.joint_vel)
    again = task.derive(memory, derived.state)
    np.testing.assert_allclose(derived.tip.pos_w, again.tip.pos_w, atol=1e-6)
    np.testing.assert_allclose(derived.command.pos_w, again.command.pos_w, atol=1e-6)


def test_shapes_alone_are_known_without_any_start(make_task, starts):
    shapes = make_task().abstract_starts(40)
    jax.tree.map(lambda a, b: np.testing.assert_equal((a.shape, a.dtype), (b.shape, b.dtype)),
                 shapes, starts)  # fmt: skip


def jumble(**change):
    """One jumble that is accepted, host arrays, after `change`."""
    pos = np.float32([[[-0.75, 0.0, 0.007], [-0.70, 0.0, 0.007], [-0.75, 0.06, 0.007]]])
    fields = {"screw_pos_w": pos, "screw_linvel_w": np.zeros((1, 3, 3), np.float32)} | change
    return dataclasses.make_dataclass("State", fields)(**fields)


def at(row: int, *xyz: float):
    pos = jumble().screw_pos_w.copy()
    pos[0, row] = xyz
    return {"screw_pos_w": pos}


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"screw_linvel_w": np.full((1, 3, 3), 0.006)}, False),  # 0.0104 m/s
        (at(2, -0.75, 0.125, 0.007), False),  # outside the inner area and too far
        (at(2, -0.63, 0.0, 0.007), False),  # 0.12 from the first: not closer than 0.8 D
        (at(1, -0.75, -0.095, 0.007), False),  # closest pair 0.06, but 0.155 to the third
        (at(0, -0.75, -0.04, 0.007), True),
        (at(0, -0.75, 0.03, 0.03), False),  # on top of another
        (at(0, np.nan, 0.0, 0.007), False),
    ],
)
def test_a_jumble_is_accepted_by_the_stated_rules(make_task, change, accepted):
    assert accept(make_task().config, jumble(**change)).tolist() == [accepted]


def test_a_pair_at_sixty_percent_of_d_is_too_loose(make_task):
    """An equilateral triangle of side 0.1: within 0.8 D, none closer than 0.6 D."""
    side = 0.1 * np.array([[0, 0], [1, 0], [0.5, 0.75**0.5]]) - [0.05, 0.029]
    pos = np.concatenate([CENTER + side, np.full((3, 1), 0.007)], axis=1)[None]
    assert not accept(make_task().config, jumble(screw_pos_w=pos))[0]
    assert accept(make_task(jumble_closest_pair=0.7).config, jumble(screw_pos_w=pos))[0]


def test_a_hopeless_configuration_is_an_error_that_names_the_fields(make_task, sim, jit):
    task = make_task(jumble_closest_pair=1e-4, settle_s=0.05)
    with pytest.raises(StartsError, match=r"separate\.jumble_.*separate\.drop_spread_m"):
        task.starts(sim, 4, 0, jit)
