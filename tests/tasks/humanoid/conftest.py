"""Shared by the tests of `humanoid`: states drawn at random, and MuJoCo's own model of the scene."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from screwpush_jax.tasks.humanoid.config import HumanoidConfig
from screwpush_jax.tasks.humanoid.task import HumanoidTask
from screwpush_sim.assets import humanoid
from screwpush_sim.builders import mjcf
from screwpush_sim.engines.mujoco_layout import make_layout
from screwpush_sim.state import zero_state

N = 6
TASK = HumanoidTask(HumanoidConfig())
SCENE = humanoid.make_scene()
JOINTS = SCENE.robot.joints


@pytest.fixture
def make_walker():
    """Builds the task from changes to its configuration."""
    return lambda **changes: HumanoidTask(HumanoidConfig(**changes))


@pytest.fixture
def drawn():
    """Six states in which every number is drawn, some of the joints beyond their ranges."""
    rng = np.random.default_rng(3)
    quat = rng.normal(size=(N, 4))
    quat[:4] = [1, 0, 0, 0] + 0.3 * quat[:4]  # most of them more or less upright
    low, high = np.array([joint.range_rad for joint in JOINTS]).T
    state = zero_state(SCENE, N).with_robot(
        joint_pos=rng.uniform(low - 0.1, high + 0.1, (N, 21)),
        joint_vel=rng.normal(scale=5.0, size=(N, 21)),
        base_pos_w=rng.normal(size=(N, 3)) * [20, 3, 0.1] + [30, 0, 1.0],
        base_quat_w=quat / np.linalg.norm(quat, axis=-1, keepdims=True),
        base_linvel_w=rng.normal(scale=3.0, size=(N, 3)),
        base_angvel_w=rng.normal(scale=3.0, size=(N, 3)),
    )
    contact = {foot: rng.normal(scale=300.0, size=(N, 3)) for foot in humanoid.FEET}
    state = dataclasses.replace(state, contact=contact)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), state)


@pytest.fixture(scope="session")
def placed():
    """`state -> (model, [data])`: MuJoCo's own, posed as each environment of the state, in float64."""
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(SCENE))

    def place(state):
        views, found = make_layout(SCENE).pack(state), []
        for qpos, qvel in zip(np.asarray(views["qpos"]), np.asarray(views["qvel"]), strict=True):
            data = mujoco.MjData(model)
            data.qpos[:], data.qvel[:] = qpos, qvel
            mujoco.mj_forward(model, data)
            found.append(data)
        return model, found

    return place
