"""Forward and inverse kinematics against MuJoCo's own."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screwpush_jax.tasks.screws.kinematics import TipPose, forward_kinematics, inverse_kinematics
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.builders import mjcf

DOWN = Rotation.from_euler("y", np.pi)


@pytest.fixture(scope="module")
def mujoco_arm():
    """`(joints) -> (tip position, rotation, Jacobian [6, 6])` in float64."""
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(make_scene(SceneConfig(num_screws=2))))
    data, tip = mujoco.MjData(model), model.site("tip").id

    def at(joints):
        data.qpos[:6] = joints
        mujoco.mj_forward(model, data)
        jacobian = np.zeros((2, 3, model.nv))
        mujoco.mj_jacSite(model, data, jacobian[0], jacobian[1], tip)
        site = data.site("tip")
        return site.xpos.copy(), site.xmat.reshape(3, 3).copy(), jacobian.reshape(6, -1)[:, :6]

    return at


@pytest.fixture(scope="module")
def forward(arm):
    return jax.jit(jax.vmap(lambda q: forward_kinematics(arm, q)))


@pytest.fixture(scope="module")
def inverse(arm):
    """Batched, with numpy arrays of any float type."""
    solve = jax.jit(jax.vmap(lambda pose, near: inverse_kinematics(arm, pose, near)))

    def call(pos, rotation, near) -> np.ndarray:
        pose = TipPose(jnp.asarray(pos, jnp.float32), jnp.asarray(rotation, jnp.float32))
        near = np.broadcast_to(np.float32(near), (len(pos), 6))
        return np.asarray(solve(pose, jnp.asarray(near)))

    return call


@pytest.fixture(scope="module")
def poses():
    """400 tips in the workspace, the rod up to 0.35 rad from vertical, turned anyhow about it."""
    rng = np.random.default_rng(0)
    pos = rng.uniform([-1.1, -0.35, 0.012], [-0.4, 0.35, 0.12], (400, 3))
    direction, tilt, yaw = rng.uniform([0, 0, -2], [2 * np.pi, 0.35, 2], (400, 3)).T
    level = np.stack([np.cos(direction), np.sin(direction), 0 * tilt], axis=-1)
    turn = Rotation.from_rotvec(level * tilt[:, None]) * Rotation.from_euler("z", yaw[:, None])
    return pos, (turn * DOWN).as_matrix()


def test_forward_kinematics_is_mujocos(arm, forward, mujoco_arm):
    joints = np.random.default_rng(1).uniform(-1, 1, (100, 6)) * arm.range_rad
    got = forward(jnp.asarray(joints, jnp.float32))
    want = [mujoco_arm(q) for q in joints]
    np.testing.assert_allclose(got.pos_w, [w[0] for w in want], atol=3e-6)
    np.testing.assert_allclose(got.rotation_w, [w[1] for w in want], atol=5e-6)


@pytest.mark.slow
def test_inverse_kinematics_reaches_every_pose_of_the_workspace(arm, inverse, mujoco_arm, poses):
    pos, rotation = poses
    joints = inverse(pos, rotation, arm.home_rad)
    want = [mujoco_arm(q) for q in joints]
    np.testing.assert_allclose([w[0] for w in want], pos, atol=1e-5)
    np.testing.assert_allclose([w[1] for w in want], rotation, atol=2e-5)


def test_the_workspace_is_within_the_joints_ranges(arm, inverse, poses):
    joints = inverse(*poses, arm.home_rad)
    assert (np.abs(joints[:, :5]) < np.array(arm.range_rad)[:5]).all()


@pytest.mark.slow
def test_inverse_kinematics_gives_back_the_joints_it_is_near(arm, forward, inverse):
    """Random joints on the elbow's branch: the wrist's branch is that of `near_rad`."""
    rng = np.random.default_rng(2)
    low, high = [-1.0, 0.3, -2.3, -1.5, -1.3, -2], [1.0, 1.3, -1.2, 1.5, 1.3, 2]
    joints = np.float32(rng.uniform(low, high, (300, 6)))
    joints = joints[np.abs(joints[:, 4]) > 0.1]
    pose = forward(jnp.asarray(joints))
    near = joints + rng.uniform(-0.3, 0.3, joints.shape)
    np.testing.assert_allclose(inverse(*pose, near), joints, atol=2e-4)


@pytest.mark.slow
def test_joints_are_continuous_through_the_wrist_singularity(arm, forward, inverse):
    """Joint 5 through zero in steps of 0.5 mrad, each solved near the solution before it."""
    path = np.tile(np.float32([0.2, 0.9, -1.7, 0.7, 0.0, -0.4]), (201, 1))
    path[:, 4] = np.linspace(-0.05, 0.05, 201)
    pos, rotation = (np.asarray(leaf) for leaf in forward(jnp.asarray(path)))
    near, found = path[0], []
    for step in range(201):
        near = inverse(pos[step : step + 1], rotation[step : step + 1], near)[0]
        found.append(near)
    assert np.abs(np.diff(found, axis=0)).max() < 0.02
    np.testing.assert_allclose(np.array(found)[[0, 100, -1]], path[[0, 100, -1]], atol=0.02)
    reached = forward(jnp.asarray(np.array(found)))
    np.testing.assert_allclose(reached.pos_w, pos, atol=1e-5)
    np.testing.assert_allclose(reached.rotation_w, rotation, atol=3e-4)


@pytest.mark.slow
def test_the_derivative_is_the_inverse_of_mujocos_jacobian(arm, inverse, mujoco_arm, poses):
    """Central differences of 4 mm and 4 mrad: float32 noise is 1e-3 of them, curvature less."""
    pos, rotation = (leaf[:40] for leaf in poses)
    joints = inverse(pos, rotation, arm.home_rad)
    h, tried = 4e-3, 0
    for p, r, q in zip(pos, rotation, joints, strict=True):
        if abs(np.sin(q[4])) < 0.25:
            continue  # close to the singularity the derivative itself grows without bound
        ends = []
        for sign in (1, -1):
            moved = [(p + sign * h * e, r) for e in np.eye(3)]
            moved += [(p, Rotation.from_rotvec(sign * h * e).as_matrix() @ r) for e in np.eye(3)]
            ends.append(inverse(*map(np.array, zip(*moved, strict=True)), q))
        numeric = (ends[0] - ends[1]).T / (2 * h)
        np.testing.assert_allclose(numeric, np.linalg.pinv(mujoco_arm(q)[2]), atol=0.01, rtol=0.01)
        tried += 1
    assert tried > 15


@pytest.mark.slow
def test_a_point_out_of_reach_gives_the_stretched_arm(arm, inverse, forward):
    pos = np.array([[-3.0, 0.4, 0.5], [0.0, 2.5, 0.2]])
    joints = inverse(pos, np.tile(DOWN.as_matrix(), (2, 1, 1)), arm.home_rad)
    assert np.isfinite(joints).all()
    np.testing.assert_allclose(joints[:, 2], 0, atol=1e-3)
    tip = np.asarray(forward(jnp.asarray(joints)).pos_w)
    np.testing.assert_allclose(
        np.arctan2(tip[:, 1], tip[:, 0]), np.arctan2(pos[:, 1], pos[:, 0]), atol=1e-3
    )


@pytest.mark.parametrize(
    "change",
    [
        {
            "offsets_m": (
                (0, 0.1, 0.262),
                (0, 0, 0),
                (0, 0.73, 0),
                (0, 0, 0),
                (0, 0, 0.57),
                (0, 0, 0),
            )
        },
        {"rotations_wxyz": ((1, 0, 0, 0),) * 6},
    ],
    ids=["shoulder off axis", "parallel joints"],
)
def test_an_arm_of_another_build_is_refused(arm, tip_at, change):
    other = dataclasses.replace(arm, **change)
    with pytest.raises(ValueError, match="elbow arm"):
        inverse_kinematics(other, tip_at([-0.75, 0, 0.05]), jnp.zeros(6))
