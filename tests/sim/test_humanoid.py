"""The humanoid's table as MuJoCo understands it: masses, joints, symmetry, standing and falling."""

import dataclasses

import mujoco
import numpy as np
import pytest

from screwpush_sim.assets import humanoid
from screwpush_sim.builders import mjcf
from screwpush_sim.scene import Physics

SCENE = humanoid.make_scene()
LEFT = [i for i, joint in enumerate(SCENE.robot.joints) if joint.name.startswith("left_")]
RIGHT = [i for i, joint in enumerate(SCENE.robot.joints) if joint.name.startswith("right_")]


def build(gravity=-9.81):
    physics = dataclasses.replace(SCENE.physics, gravity_m_s2=(0.0, 0.0, gravity))
    text = mjcf.build_mjcf(dataclasses.replace(SCENE, physics=physics))
    model = mujoco.MjModel.from_xml_string(text)
    return model, mujoco.MjData(model)


@pytest.fixture
def standing():
    return build()


def test_it_has_the_joints_of_the_task():
    """Three at the waist and pelvis, six in each leg, three in each arm."""
    sided = (
        "hip_x",
        "hip_z",
        "hip_y",
        "knee",
        "ankle_y",
        "ankle_x",
        "shoulder_1",
        "shoulder_2",
        "elbow",
    )
    wanted = {"abdomen_z", "abdomen_y", "abdomen_x"}
    wanted |= {f"{side}_{name}" for side in ("left", "right") for name in sided}
    names = [joint.name for joint in SCENE.robot.joints]
    assert len(names) == 21
    assert set(names) == wanted
    assert max(joint.drive.gear_nm for joint in SCENE.robot.joints) == 120.0


def test_the_engine_has_the_joints_in_the_scenes_order(standing):
    model, _ = standing
    names = [model.joint(i).name for i in range(1, model.njnt)]  # the first is the free base
    assert names == [joint.name for joint in SCENE.robot.joints]
    assert [model.actuator(i).trnid[0] for i in range(21)] == list(range(1, 22))


def test_it_weighs_forty_kilograms_and_is_a_metre_and_a_half_tall(standing):
    model, data = standing
    mujoco.mj_forward(model, data)
    assert model.body_mass.sum() == pytest.approx(40.0, abs=1.5)
    head = data.geom("torso_head").xpos[2] + model.geom("torso_head").size[0]
    assert head == pytest.approx(1.5, abs=0.02)
    soles = [
        data.geom(f"{foot}_{part}").xpos[2] for foot in humanoid.FEET for part in ("inner", "outer")
    ]
    np.testing.assert_allclose(np.array(soles) - 0.025, 0.0, atol=1e-9)
    thigh, torso = model.body("left_thigh").mass[0], model.body("torso").mass[0]
    assert 2.5 < thigh < 5
    assert 12 < torso < 20


def test_nothing_of_it_touches_another_part_when_it_stands(standing):
    """By MuJoCo's own distances, of all pairs of shapes but those that a joint brings together."""
    model, data = standing
    mujoco.mj_forward(model, data)
    ball_joints = {frozenset(pair) for pair in [("torso", "waist")]}
    for side in ("left", "right"):
        pairs = [
            ("pelvis", f"{side}_thigh"),
            (f"{side}_shin", f"{side}_foot"),
            ("torso", f"{side}_upper_arm"),
        ]
        ball_joints |= {frozenset(pair) for pair in pairs}
    hinges = {frozenset((link.name, link.parent)) for link in SCENE.robot.links}
    closest = np.inf
    for a in range(1, model.ngeom):
        for b in range(a + 1, model.ngeom):
            names = frozenset(model.body(model.geom_bodyid[g]).name for g in (a, b))
            if len(names) == 1 or names in ball_joints | hinges:
                continue
            closest = min(closest, mujoco.mj_geomDistance(model, data, a, b, 1.0, None))
    assert closest > 0.005
    assert model.nexclude == len(ball_joints)


def test_it_stands_for_a_moment_and_then_falls(standing):
    model, data = standing
    heights = []
    for _ in range(round(3.0 / model.opt.timestep)):
        mujoco.mj_step(model, data)
        heights.append(data.body("torso").xpos[2])
    assert heights[round(0.5 / model.opt.timestep)] > 1.08
    assert heights[-1] < 0.5


def test_equal_angles_of_both_sides_are_mirror_images(standing):
    model, data = standing
    rng = np.random.default_rng(0)
    low, high = np.array([joint.range_rad for joint in SCENE.robot.joints]).T
    for _ in range(5):
        data.qpos[:] = 0
        data.qpos[3] = 1
        angles = np.zeros(21)
        angles[LEFT] = rng.uniform(low[LEFT], high[LEFT])
        angles[RIGHT] = angles[LEFT]
        data.qpos[7:] = angles
        mujoco.mj_kinematics(model, data)
        for link in ("shin", "foot", "lower_arm"):
            left, right = data.body(f"left_{link}").xpos, data.body(f"right_{link}").xpos
            np.testing.assert_allclose(right, left * [1, -1, 1], atol=1e-12)


def test_mirrored_torques_move_it_straight_ahead(standing):
    model, data = standing
    torque = np.random.default_rng(1).uniform(-1, 1, 21) * SCENE.robot.control_range[1]
    torque[:3] *= [0, 1, 0]  # about y alone in the middle
    torque[RIGHT] = torque[LEFT]
    data.ctrl[:] = torque
    for _ in range(30):
        mujoco.mj_step(model, data)
    np.testing.assert_allclose(data.qpos[1], 0, atol=1e-6)
    np.testing.assert_allclose(data.qpos[7:][RIGHT], data.qpos[7:][LEFT], atol=1e-6)
    assert np.abs(data.qpos[7:]).max() > 0.1


SENSES = {  # what a positive angle does to which link of the left side: axis of the world, and sign
    "left_hip_x": ("left_shin", 1, 1),  # outwards
    "left_hip_y": ("left_shin", 0, -1),  # backwards
    "left_knee": ("left_foot", 0, -1),  # bends backwards
    "left_shoulder_2": ("left_lower_arm", 1, 1),
    "left_shoulder_1": ("left_lower_arm", 0, -1),
    "abdomen_y": ("left_foot", 0, -1),  # the trunk bends forwards
    "abdomen_z": ("left_foot", 0, -1),  # the pelvis turns to the left
}


@pytest.mark.parametrize("name", SENSES)
def test_a_positive_angle_turns_the_way_that_the_table_means(standing, name):
    model, data = standing
    link, axis, sign = SENSES[name]
    places = []
    for angle in (0.0, 0.3):
        data.joint(name).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        places.append(data.body(link).xpos[axis])
    assert sign * (places[1] - places[0]) > 0.01


@pytest.mark.parametrize("sign", [1, -1])
def test_full_torque_takes_each_joint_to_its_limit_and_not_beyond(sign):
    """Afloat, one joint at a time, limbs free to pass each other: it swings a little over, and rests there."""
    model, data = build(gravity=0.0)
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    for index, joint in enumerate(SCENE.robot.joints):
        mujoco.mj_resetData(model, data)
        data.qpos[2] = 5.0
        data.ctrl[index] = sign * joint.drive.gear_nm
        reached = []
        for _ in range(round(1.0 / model.opt.timestep)):
            mujoco.mj_step(model, data)
            reached.append(data.qpos[7 + index])
        limit = joint.range_rad[sign > 0]
        assert max(sign * np.array(reached)) < sign * limit + 0.3, joint.name
        assert abs(reached[-1] - limit) < 0.07, joint.name


def test_the_physics_may_be_another():
    made = humanoid.make_scene(Physics(1 / 240, 4, 0.8))
    assert made.physics.control_dt_s == pytest.approx(SCENE.physics.control_dt_s)
    assert SCENE.physics.control_dt_s == pytest.approx(1 / 60)
