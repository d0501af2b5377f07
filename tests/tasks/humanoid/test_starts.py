"""Start states of `humanoid`, by MuJoCo's own distances and frames."""

import dataclasses

import jax
import mujoco
import numpy as np
import pytest

from screwpush_jax.tasks.humanoid import starts
from screwpush_jax.tasks.humanoid.clearance import clearance
from screwpush_jax.tasks.task import StartsError
from screwpush_sim.assets import humanoid
from screwpush_sim.scene import Box
from screwpush_sim.state import zero_state

JOINTS = humanoid.make_robot().joints
LOW, HIGH = np.array([joint.range_rad for joint in JOINTS]).T


@pytest.fixture
def find(make_walker):
    class Sim:
        def __init__(self, task):
            self.spec = type("Spec", (), {"scene": task.scene()})

    def find_in(size, seed=0, **changes):
        task = make_walker(**changes)
        return jax.tree.map(np.asarray, task.starts(Sim(task), size, seed))

    return find_in


def test_they_stand_on_the_ground_and_no_part_touches_another(find, placed):
    """The ground is touched by one foot to less than 1e-6 m, and by nothing to more."""
    state = find(40)
    model, found = placed(state)
    for data in found:
        ground, others = [], []
        for contact in data.contact[: data.ncon]:
            (ground if 0 in contact.geom else others).append(contact)
        assert not others
        bodies = {model.body(model.geom_bodyid[max(contact.geom)]).name for contact in ground}
        assert bodies <= set(humanoid.FEET)
        floor = model.geom("ground").id
        gaps = [
            mujoco.mj_geomDistance(model, data, floor, geom, 1.0, None)
            for geom in range(model.ngeom)
            if geom != floor
        ]
        assert abs(min(gaps)) < 1e-6


def test_they_are_the_standing_pose_moved_a_little(find):
    state = find(500)
    robot = state.robot
    spread = np.clip(robot.joint_pos.max(axis=0), 0, 1), np.clip(-robot.joint_pos.min(axis=0), 0, 1)
    assert np.abs(robot.joint_pos).max() <= 0.2 + 1e-6
    assert np.median(spread) > 0.18
    assert (robot.joint_pos >= LOW - 1e-6).all()
    assert (robot.joint_pos <= HIGH + 1e-6).all()
    assert 0.09 < np.abs(robot.joint_vel).max() <= 0.1
    np.testing.assert_array_equal(robot.base_pos_w[:, :2], 0)
    np.testing.assert_array_equal(robot.base_quat_w, [[1, 0, 0, 0]] * 500)
    assert np.abs(robot.base_linvel_w).max() == np.abs(robot.base_angvel_w).max() == 0.0


def test_they_follow_from_the_seed_and_the_configuration(find):
    one, same, other = find(8), find(8), find(8, seed=1)
    jax.tree.map(np.testing.assert_array_equal, one, same)
    assert np.abs(one.robot.joint_pos - other.robot.joint_pos).max() > 0.05
    still = find(8, start_joint_rad=0.0, start_joint_vel_rad_s=0.0)
    np.testing.assert_array_equal(still.robot.joint_pos, 0)
    np.testing.assert_array_equal(still.robot.joint_vel, 0)
    np.testing.assert_allclose(still.robot.base_pos_w[:, 2], humanoid.TORSO_HEIGHT_M, atol=1e-6)


def test_their_shapes_are_known_without_them(find, make_walker):
    found, abstract = find(5), make_walker().abstract_starts(5)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), found) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), abstract
    )


def test_gap_and_lowest_point_are_mujocos(placed):
    """Of poses anywhere in the ranges, most of which touch themselves."""
    rng = np.random.default_rng(4)
    joints = rng.uniform(LOW, HIGH, (30, 21)).astype(np.float32)
    scene = humanoid.make_scene()
    state = zero_state(scene, 30).with_robot(joint_pos=joints)
    lowest, gap = clearance(scene.robot, joints)
    model, found = placed(state)
    for n, data in enumerate(found):
        floor = model.geom("ground").id
        below = [
            mujoco.mj_geomDistance(model, data, floor, geom, 5.0, None)
            for geom in range(model.ngeom)
            if geom != floor
        ]
        assert lowest[n] + humanoid.TORSO_HEIGHT_M == pytest.approx(min(below), abs=1e-5)
        deepest = [c.dist for c in data.contact[: data.ncon] if floor not in c.geom]
        if deepest:
            assert gap[n] == pytest.approx(min(deepest), abs=1e-5)
        else:
            assert gap[n] >= 0
    assert 5 < np.sum(gap < 0) < 30


def test_poses_that_all_touch_themselves_are_an_error(make_walker, monkeypatch):
    monkeypatch.setattr(starts, "clearance", lambda robot, q: (0 * q[:, 0], 0 * q[:, 0] - 1))
    task = make_walker()
    with pytest.raises(StartsError, match=r"only 0 of \d+ .*env.start_joint_rad less than 0.2"):
        starts.find_starts(task.config, task.scene(), 16, 0)


def test_other_solids_are_refused():
    robot = humanoid.make_robot()
    boxed = dataclasses.replace(robot.links[0], shapes=(Box("chest", (0, 0, 0), (0.1, 0.1, 0.1)),))
    robot = dataclasses.replace(robot, links=(boxed, *robot.links[1:]))
    with pytest.raises(ValueError, match="torso chest: a box; valid: capsule, sphere"):
        clearance(robot, np.zeros((1, 21)))
