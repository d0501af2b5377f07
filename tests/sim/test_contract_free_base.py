"""The contract: a robot with a free base, torques and contact links, by the laws of mechanics."""

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screwpush_sim.builders import mjcf
from screwpush_sim.state import home_state

GRAVITY = 9.81
TILT = Rotation.from_euler("xyz", [0.4, -0.9, 2.2])


@pytest.fixture
def sim(lab):
    return lab.shared(num_screws=0)


@pytest.fixture
def standing(sim):
    """Two humanoids upright on the ground."""
    return jax.tree.map(np.array, home_state(sim.spec.scene, 2))


@pytest.fixture
def aloft(standing):
    """Two metres higher, tilted."""
    quat = np.tile(np.float32(TILT.as_quat()[[3, 0, 1, 2]]), (2, 1))
    higher = standing.robot.base_pos_w + np.float32([0.5, -0.3, 2.0])
    return standing.with_robot(base_pos_w=higher, base_quat_w=quat)


@pytest.fixture(scope="module")
def mass_kg(lab):
    import mujoco

    scene = lab.shared(num_screws=0).spec.scene
    return mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene)).body_mass.sum()


@pytest.mark.slow
def test_it_begins_upright_where_the_scene_puts_it(lab):
    made = lab.make(num_screws=0)
    robot = lab.read(made).robot
    np.testing.assert_allclose(robot.base_pos_w, [[0, 0, 1.1]] * 2, atol=1e-6)
    np.testing.assert_allclose(robot.base_quat_w, [[1, 0, 0, 0]] * 2, atol=1e-6)
    np.testing.assert_array_equal(robot.joint_pos, np.zeros((2, 21)))
    made.close()


def test_the_feet_carry_its_weight(lab, sim, standing, mass_kg):
    lab.put(sim, standing)
    feet = lab.run(sim, np.zeros(21), 20)[-1].contact
    assert list(feet) == ["left_foot", "right_foot"]
    total = feet["left_foot"] + feet["right_foot"]
    np.testing.assert_allclose(total[:, 2], mass_kg * GRAVITY, rtol=0.02)
    np.testing.assert_allclose(total[:, :2], 0, atol=8)
    # a solver that takes contacts one after the other leaves a few per cent between them
    np.testing.assert_allclose(feet["left_foot"][:, 2], feet["right_foot"][:, 2], rtol=0.05)


def test_in_the_air_nothing_touches_the_feet(lab, sim, aloft):
    lab.put(sim, aloft)
    for force in lab.run(sim, np.zeros(21), 2)[-1].contact.values():
        np.testing.assert_array_equal(force, np.zeros((2, 3)))


def test_a_torque_turns_its_own_joint_the_way_it_says(lab, sim, aloft):
    names = [joint.name for joint in sim.spec.scene.robot.joints]
    for name, sign in (("left_knee", 1), ("right_shoulder_2", 1), ("abdomen_z", -1)):
        index = names.index(name)
        control = np.zeros(21)
        control[index] = sign * 10.0
        lab.put(sim, aloft)
        turned = lab.run(sim, control, 6)[-1].robot.joint_pos
        assert (sign * turned[:, index] > 0.03).all(), name


def test_a_torque_is_kept_within_the_gear_and_what_is_no_number_keeps_the_last(lab, sim, aloft):
    high = np.float32(sim.spec.scene.robot.control_range[1])
    index = int(np.argmax(high))
    ends = []
    for last, wild in ((high[index], 1e9), (high[index], np.inf), (high[index], np.nan)):
        control = np.zeros(21, np.float32)
        control[index] = last
        lab.put(sim, aloft)
        lab.run(sim, control, 1)
        control[index] = wild
        ends.append(lab.run(sim, control, 3)[-1].robot.joint_pos)
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-5)
    np.testing.assert_allclose(ends[2], ends[0], atol=1e-5)
    assert np.abs(ends[0][:, index]).min() > 0.1


def test_parts_that_no_joint_joins_push_each_other_apart(lab, sim, aloft):
    """A thigh that is drawn up into the waist; their gap is MuJoCo's own figure of the pose."""
    import mujoco

    names = [joint.name for joint in sim.spec.scene.robot.joints]
    pose = {"abdomen_x": 0.53, "abdomen_y": 0.9, "left_hip_x": 0.28, "left_hip_y": -1.56}
    joints = aloft.robot.joint_pos.copy()
    for name, angle in pose.items():
        joints[:, names.index(name)] = angle
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(sim.spec.scene))
    data = mujoco.MjData(model)
    parts = [model.geom(name).id for name in ("waist_waist", "left_thigh_thigh")]

    def gap(angles) -> float:
        data.qpos[7:] = angles
        mujoco.mj_kinematics(model, data)
        return mujoco.mj_geomDistance(model, data, *parts, 1.0, None)

    assert gap(joints[0]) < -0.02
    lab.put(sim, aloft.with_robot(joint_pos=joints))
    end = lab.run(sim, np.zeros(21), 20)[-1].robot.joint_pos
    assert gap(end[0]) > -0.005
