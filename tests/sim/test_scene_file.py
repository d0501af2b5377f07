"""The scene file in MuJoCo alone against the engine: the same start, the same motion."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from screwpush_sim.assets import humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.engines.mujoco_cpu import MujocoCpu
from screwpush_sim.options import MujocoConfig
from screwpush_sim.scene_file import build_scene_file

K = 2
SCENES = {"arm": lambda: make_scene(SceneConfig()), "free base": humanoid.make_scene}


@pytest.mark.parametrize("name", SCENES)
def test_each_keyframe_moves_as_in_the_engine(name):
    scene = SCENES[name]()
    sim = MujocoCpu(scene, K, MujocoConfig(num_threads=1))
    rng = np.random.default_rng(0)
    state = jax.tree.map(np.array, sim.unpack(sim.views()))
    joints = state.robot.joint_pos + rng.uniform(-0.05, 0.05, state.robot.joint_pos.shape)
    state = state.with_robot(joint_pos=joints.astype(np.float32))
    sim.write(jnp.ones(K, bool), sim.pack(jax.tree.map(jnp.asarray, state)))
    model = mujoco.MjModel.from_xml_string(build_scene_file(scene, state))
    assert model.nkey == K
    first = model.key_ctrl.copy()
    if scene.robot.joints[0].drive.kind == "position":
        np.testing.assert_allclose(first, joints, atol=1e-6)
    else:
        np.testing.assert_array_equal(first, 0.0)
    for _ in range(3):
        sim.step(jnp.asarray(first, jnp.float32))
    qpos = np.array(sim.views()["qpos"])
    for k in range(K):
        data = mujoco.MjData(model)
        mujoco.mj_resetDataKeyframe(model, data, k)
        for _ in range(3 * scene.physics.decimation):
            mujoco.mj_step(model, data)
        np.testing.assert_allclose(data.qpos, qpos[k], atol=1e-5)
