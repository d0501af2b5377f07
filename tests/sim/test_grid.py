"""Scenes side by side: each stands as MuJoCo's own model of one scene has it, moved to its place."""

import mujoco
import numpy as np
import pytest

from screwpush_sim.assets import humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.builders import mjcf
from screwpush_sim.grid import SceneGrid
from screwpush_sim.state import home_state

SCENES = {"arm": make_scene(SceneConfig()), "humanoid": humanoid.make_scene()}
COUNT = 3


def random_state(scene, seed):
    """Three different states."""
    rng, state = np.random.default_rng(seed), home_state(scene, COUNT)

    def near(x, by):
        return np.asarray(x) + rng.uniform(-by, by, x.shape).astype(np.float32)

    def quats(x):
        turned = rng.normal(size=x.shape).astype(np.float32)
        return turned / np.linalg.norm(turned, axis=-1, keepdims=True)

    robot = state.robot
    state = state.with_robot(joint_pos=near(robot.joint_pos, 0.3))
    if robot.base_pos_w is not None:
        base = {"base_pos_w": near(robot.base_pos_w, 0.2), "base_quat_w": quats(robot.base_quat_w)}
        state = state.with_robot(**base)
    for name, group in state.bodies.items():
        state = state.with_bodies(name, pos_w=near(group.pos_w, 0.2), quat_w=quats(group.quat_w))
    return state


def one_scene(scene, state, n):
    """Place and orientation of each body by its name."""
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene, with_visuals=True))
    data = mujoco.MjData(model)
    parts = [np.asarray(state.robot.joint_pos[n])]
    if state.robot.base_pos_w is not None:
        parts = [state.robot.base_pos_w[n], state.robot.base_quat_w[n], *parts]
    for group in state.bodies.values():
        for pos, quat in zip(group.pos_w[n], group.quat_w[n], strict=True):
            parts += [pos, quat]
    data.qpos[:] = np.concatenate(parts)
    mujoco.mj_kinematics(model, data)
    names = [model.body(k).name for k in range(1, model.nbody)]
    return {name: (data.body(name).xpos, data.body(name).xmat.reshape(3, 3)) for name in names}


@pytest.mark.parametrize("name", SCENES)
def test_each_scene_stands_as_it_would_alone_at_its_place(name):
    scene = SCENES[name]
    grid, state = SceneGrid(scene, COUNT), random_state(scene, 5)
    poses = grid.poses(state)
    ids = {grid.model.body(k).name: k for k in range(grid.model.nbody)}
    for n, offset in enumerate(grid.offsets_w):
        alone = one_scene(scene, state, n)
        assert alone.keys() <= ids.keys()
        for body, (pos, mat) in alone.items():
            np.testing.assert_allclose(
                poses.body_pos_w[n, ids[body]] - offset, pos, atol=2e-6, err_msg=body
            )
            np.testing.assert_allclose(poses.body_mat_w[n, ids[body]], mat, atol=2e-6)
    assert len(np.unique(grid.offsets_w, axis=0)) == COUNT
    np.testing.assert_array_equal(grid.offsets_w[0], 0.0)


@pytest.mark.parametrize("name", SCENES)
def test_all_but_the_floor_moves_with_its_scene_and_no_two_scenes_overlap(name):
    scene = SCENES[name]
    grid = SceneGrid(scene, COUNT)
    drawn = [g for g in map(grid.model.geom, range(grid.model.ngeom)) if g.group[0] == 2]
    fixed = [g for g in drawn if g.bodyid[0] == 0]
    assert all(g.type[0] == mujoco.mjtGeom.mjGEOM_PLANE for g in fixed)
    alone = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene, with_visuals=True))
    assert len(drawn) == sum(g.group[0] == 2 for g in map(alone.geom, range(alone.ngeom)))
    reach = np.ptp(grid.borders_w()[0], axis=0)[:2].max()
    apart = np.linalg.norm(grid.offsets_w[:, None] - grid.offsets_w[None], axis=-1)
    assert apart[~np.eye(COUNT, dtype=bool)].min() > reach


def test_plain_colours_are_what_the_textures_look_like_from_afar():
    grid = SceneGrid(SCENES["arm"], 1)
    material = grid.model.material("mat").id
    before = grid.model.mat_rgba[grid.model.material("steel").id].copy()
    grid.use_plain_colors()
    red, green, blue = grid.model.mat_rgba[material, :3]
    assert 0.14 <= red <= 0.19  # between the felt's two colours
    assert 0.27 <= green <= 0.34
    assert 0.25 <= blue <= 0.31
    assert np.all(grid.model.mat_texid == -1)
    np.testing.assert_array_equal(grid.model.mat_rgba[grid.model.material("steel").id], before)
