"""The contract: the drives take the arm where they are told, and no further."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.tasks.screws.kinematics import TipPose, forward_kinematics, inverse_kinematics
from screwpush_sim.assets import elfin15

DOWN = np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]], np.float32)


@pytest.fixture(scope="module")
def kinematics(lab):
    """Tip positions of joints `[n, J]` and joints of tips `[n, 3]` with the rod straight down."""
    arm = elfin15.arm_spec()
    home = jnp.array(arm.home_rad, jnp.float32)
    tip_of = jax.jit(jax.vmap(lambda q: forward_kinematics(arm, q).pos_w))
    joints_of = jax.jit(
        jax.vmap(lambda pos: inverse_kinematics(arm, TipPose(pos, jnp.array(DOWN)), home))
    )
    return tip_of, lambda pos: np.asarray(joints_of(np.float32(pos)))


@pytest.mark.slow
def test_the_drives_reach_their_targets(lab, lying):
    sim = lab.shared()
    lab.put(sim, lying)
    for offset in ([0.3, 0.2, 0.2, 0.3, -0.3, 0.4], [-0.3, -0.2, -0.2, -0.3, 0.3, -0.4]):
        targets = lying.robot.joint_pos[0] + np.float32(offset)
        state = lab.run(sim, targets, 20)[-1]
        np.testing.assert_allclose(state.robot.joint_pos, np.tile(targets, (2, 1)), atol=1e-3)
        np.testing.assert_allclose(state.robot.joint_vel, 0, atol=1e-2)


@pytest.mark.slow
def test_each_scene_has_targets_of_its_own(lab, lying):
    sim = lab.shared()
    lab.put(sim, lying)
    targets = lying.robot.joint_pos + np.float32([[0.1], [-0.1]])
    state = lab.run(sim, targets, 20)[-1]
    np.testing.assert_allclose(state.robot.joint_pos, targets, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["home", "parked"])
def test_the_arm_does_not_sag(lab, lying, parked, kinematics, where):
    sim = lab.shared()
    joints = np.float32(elfin15.HOME_RAD) if where == "home" else parked
    lab.put(sim, lying.with_robot(joint_pos=np.tile(joints, (2, 1))))
    state = lab.run(sim, joints, 40)[-1]
    tip = kinematics[0](np.stack([state.robot.joint_pos[0], joints]))
    np.testing.assert_allclose(tip[0], tip[1], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "step"),
    [((-0.75, -0.3, 0.05), (0, 0.02, 0)), ((-1.0, 0.05, 0.05), (0.02, 0, 0))],
    ids=["across", "along"],
)
def test_the_tip_follows_a_command_of_40_cm_per_second(lab, lying, kinematics, start, step):
    """From standstill and back to it; the tip is compared at the end of each control step."""
    sim = lab.shared()
    tip_of, joints_of = kinematics
    path = np.array(start) + np.outer(np.clip(np.arange(30), 0, 25), step)
    away = lying.with_bodies("screws", pos_w=lying.bodies["screws"].pos_w + np.float32([1.5, 0, 0]))
    targets = joints_of(path)
    lab.put(sim, away.with_robot(joint_pos=np.tile(targets[0], (2, 1))))
    shown = [lab.run(sim, joints, 1)[-1].robot.joint_pos[0] for joints in targets]
    error = np.linalg.norm(tip_of(np.array(shown)) - path, axis=-1)
    assert error.max() < 0.010
    assert error[-1] < 0.001


@pytest.mark.slow
def test_targets_beyond_the_limits_leave_the_arm_within_them(lab, lying):
    sim = lab.shared()
    limit = np.float32(elfin15.arm_spec().range_rad)
    high_up = np.zeros(6, np.float32)
    away = lying.with_bodies("screws", pos_w=lying.bodies["screws"].pos_w + np.float32([1.5, 0, 0]))
    lab.put(sim, away.with_robot(joint_pos=np.zeros((2, 6), np.float32)))
    for sign in (1, -1):
        # joints 1, 4 and 6 turn about the standing arm's own axis: nothing is in their way
        targets = sign * np.float32([50, 0, 0, 50, 0, 50])
        states = lab.run(sim, targets, 60)
        angles = np.array([s.robot.joint_pos for s in states])
        assert np.isfinite(angles).all()
        assert (np.abs(angles) < limit + 0.2).all(), "a swing at full torque may overshoot a little"
        np.testing.assert_allclose(angles[-1, 0, [0, 3, 5]], sign * limit[[0, 3, 5]], atol=0.02)
    back = lab.run(sim, high_up, 60)[-1]
    np.testing.assert_allclose(back.robot.joint_pos, np.zeros((2, 6)), atol=1e-2)


@pytest.mark.parametrize("wild", [np.inf, -np.inf, 1e30, np.nan])
def test_wild_targets_do_no_lasting_harm(lab, lying, wild):
    sim = lab.shared()
    lab.put(sim, lying)
    targets = lying.robot.joint_pos.copy()
    targets[0] = wild
    state = lab.run(sim, targets, 2)[-1]
    np.testing.assert_allclose(state.robot.joint_pos[1], lying.robot.joint_pos[1], atol=1e-3)
    lab.put(sim, lying, rows=[0])
    state = lab.run(sim, lying.robot.joint_pos, 3)[-1]
    np.testing.assert_allclose(state.robot.joint_pos, lying.robot.joint_pos, atol=1e-3)


@pytest.mark.slow
def test_targets_are_kept_within_the_range_and_what_is_no_number_keeps_the_last(lab, lying):
    """As a robot's controller does; the joints beside a wild one go where they are told."""
    sim = lab.shared()
    lab.put(
        sim,
        lying.with_bodies("screws", pos_w=lying.bodies["screws"].pos_w + np.float32([1.5, 0, 0])),
    )
    limit = np.float32(elfin15.arm_spec().range_rad)
    last = lying.robot.joint_pos + np.float32([0, 0, 0, 0.2, 0, 0.2])
    lab.run(sim, last, 1)
    targets = last + np.float32([0.1, 0, 0, 0, 0, 0])
    should = targets.copy()
    targets[0, 3], targets[0, 5] = np.nan, np.inf
    targets[1, 3], targets[1, 5] = -np.inf, 1e30
    should[0, 5] = limit[5]
    should[1, 3], should[1, 5] = -limit[3], limit[5]
    state = lab.run(sim, targets, 60)[-1]
    np.testing.assert_allclose(state.robot.joint_pos, should, atol=0.02)
