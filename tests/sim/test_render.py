"""Pictures: what is drawn stands where it is, and what is only drawn has no physics."""

import dataclasses
import os

import jax
import mujoco
import numpy as np
import pytest

from screwpush_sim import render
from screwpush_sim.assets import elfin15, humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, Target, make_scene
from screwpush_sim.builders import mjcf
from screwpush_sim.errors import RendererUnavailableError, SimClosedError
from screwpush_sim.state import Bodies, RobotState, SimState, home_state

SCENE = make_scene(SceneConfig(num_screws=2))
WIDTH, HEIGHT = 160, 120
HOME = elfin15.HOME_RAD
PARKED = np.array([0.0, 0.3, -1.3, 0.0, -0.5, 0.0])
POS = np.array([[-0.65, 0.1, 0.01], [-0.85, -0.1, 0.01]])
QUAT = np.array([[1.0, 0.0, 0.0, 0.0]] * 2)


def state(joints, pos, quat) -> SimState:
    """Of one scene, everything still."""
    joints, zero = np.asarray(joints), np.zeros_like(pos)
    screws = Bodies(pos, quat, zero, zero)
    return SimState(RobotState(joints, 0 * joints), {"screws": screws}, {})


@pytest.fixture(scope="module")
def models():
    """The scene as it is simulated, and as it is drawn."""
    return [
        mujoco.MjModel.from_xml_string(mjcf.build_mjcf(SCENE, with_visuals=drawn))
        for drawn in (False, True)
    ]


def test_what_is_only_drawn_changes_nothing_of_the_physics(models):
    states = []
    for model in models:
        data = mujoco.MjData(model)
        data.qpos[:6] = data.ctrl[:] = HOME
        for _ in range(50):
            mujoco.mj_step(model, data)
        states.append(np.concatenate([data.qpos, data.qvel]))
    np.testing.assert_array_equal(*states)
    plain, drawn = models
    np.testing.assert_array_equal(plain.body_mass, drawn.body_mass)
    assert drawn.ngeom > plain.ngeom + 30


def test_a_target_is_a_disc_and_one_bolt_in_a_colour_of_their_own():
    """Nothing else of the picture changes, and nothing of what is simulated."""
    scene = make_scene(SceneConfig(num_screws=3), Target((-0.6, 0.1), 0.05, bolt=1))
    assert mjcf.build_mjcf(scene) == mjcf.build_mjcf(make_scene(SceneConfig(num_screws=3)))
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene, with_visuals=True))
    drawn = [geom for geom in map(model.geom, range(model.ngeom)) if geom.group[0] == 2]
    target = [geom for geom in drawn if geom.matid[0] == model.material("signal").id]
    bodies = [model.body(geom.bodyid[0]).name for geom in target]
    assert sorted(bodies) == ["screws2", "world"]
    of_bolts = [model.body(geom.bodyid[0]).name for geom in drawn if geom.bodyid[0] > 0]
    assert {name: of_bolts.count(name) for name in ("screws1", "screws2", "screws3")} == {
        "screws1": 1,
        "screws2": 1,
        "screws3": 1,
    }
    (disc,) = (geom for geom in target if geom.bodyid[0] == 0)
    assert disc.type[0] == mujoco.mjtGeom.mjGEOM_CYLINDER
    np.testing.assert_allclose(disc.pos[:2], (-0.6, 0.1))
    assert disc.size[0] == pytest.approx(0.05)
    assert disc.pos[2] + disc.size[1] == pytest.approx(0.0, abs=1e-6), "it lies on the table"


def project(model, camera: str, point) -> np.ndarray:
    """Column and row at which a camera sees a point: a pinhole worked out here."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    placed = data.camera(camera)
    x, y, z = placed.xmat.reshape(3, 3).T @ (np.asarray(point) - placed.xpos)
    assert z < 0, "it lies behind the camera"
    scale = HEIGHT / 2 / np.tan(np.deg2rad(model.camera(camera).fovy[0]) / 2)
    return np.array([WIDTH / 2 - scale * x / z, HEIGHT / 2 + scale * y / z])


IN_SIGHT = {
    "overview": [elfin15.BASE_POS_W, (-0.75, 0.0, 0.0), (-0.4, 0.0, 0.7)],
    "table": [(x, y, 0.0) for x in (-0.95, -0.55) for y in (-0.2, 0.2)],
}


@pytest.mark.parametrize("name", IN_SIGHT)
def test_a_camera_stands_upright_and_has_the_work_in_its_picture(models, name):
    up, down = (project(models[1], name, (-0.75, 0.0, height)) for height in (0.05, 0.0))
    assert up[1] < down[1] - 1
    assert up[0] == pytest.approx(down[0], abs=1.0)
    for point in IN_SIGHT[name]:
        column, row = project(models[1], name, point)
        assert 0 < column < WIDTH, point
        assert 0 < row < HEIGHT, point


def test_each_link_has_a_shell_that_meets_nothing(models):
    model = models[1]
    for link in ("base", *(link.name for link in elfin15.LINKS)):
        body = model.body(link).id
        drawn = [g for g in np.flatnonzero(model.geom_bodyid == body) if model.geom_group[g] == 2]
        assert drawn, link
        assert not model.geom_contype[drawn].any()
        assert not model.geom_conaffinity[drawn].any()


@pytest.fixture(scope="module")
def renderer():
    made = render.SceneRenderer(SCENE, WIDTH, HEIGHT, "table")
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("screw", [0, 1])
def test_a_screw_is_drawn_where_a_pinhole_sees_it(renderer, models, screw):
    """Its pixels are those that change when it is taken out of sight."""
    away = POS.copy()
    away[screw] = [3.0, 0.0, -2.0]
    with_screw, without = (renderer.frame(state(PARKED, pos, QUAT)) for pos in (POS, away))
    assert with_screw.shape == (HEIGHT, WIDTH, 3)
    assert with_screw.dtype == np.uint8
    changed = np.abs(with_screw.astype(int) - without).sum(-1) > 60
    rows, columns = np.nonzero(changed)
    assert 5 < len(rows) < 400
    middle = project(models[1], "table", POS[screw])
    np.testing.assert_allclose([np.median(columns), np.median(rows)], middle, atol=4)


def test_a_turned_screw_is_drawn_turned(renderer):
    half = np.sqrt(0.5)
    turned = np.array([[half, 0.0, 0.0, half], QUAT[1]])
    level, other = (
        renderer.frame(state(PARKED, POS, QUAT)),
        renderer.frame(state(PARKED, POS, turned)),
    )
    changed = np.abs(level.astype(int) - other).sum(-1) > 60
    assert 5 < changed.sum() < 400


def test_the_arm_is_drawn_as_its_joints_say(renderer, models):
    """The rod's tip is among the pixels that change when the arm is lifted out of sight."""
    frames = [renderer.frame(state(np.array(joints), POS, QUAT)) for joints in (HOME, PARKED, HOME)]
    np.testing.assert_array_equal(frames[0], frames[2])
    changed = np.abs(frames[0].astype(int) - frames[1]).sum(-1) > 60
    data = mujoco.MjData(models[1])
    data.qpos[:6] = HOME
    mujoco.mj_kinematics(models[1], data)
    column, row = project(models[1], "table", data.site("tip").xpos)
    pixels = np.argwhere(changed) - [row, column]
    assert np.linalg.norm(pixels, axis=1).min() < 4
    assert pixels[:, 0].max() < 6, "nothing of the arm is below its tip"


def test_a_camera_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(ValueError, match="camera 'roof' does not exist; valid: table, overview"):
        render.SceneRenderer(SCENE, WIDTH, HEIGHT, "roof")


@pytest.mark.slow
def test_a_closed_renderer_draws_no_more_and_closes_again():
    made = render.SceneRenderer(SCENE, 32, 32, "overview")
    made.close()
    made.close()
    with pytest.raises(SimClosedError):
        made.frame(state(PARKED, POS, QUAT))


@pytest.mark.parametrize("said", ["gladLoadGL\n  error", ""])
def test_without_opengl_it_says_why_and_what_to_install(monkeypatch, models, said):
    def refuse(*_):
        raise RuntimeError(said)

    monkeypatch.setattr(mujoco, "Renderer", refuse)
    reason = " ".join(said.split()) or "RuntimeError"
    with pytest.raises(RendererUnavailableError, match=rf"\({reason}\).*apt-get install libegl1"):
        render._open_renderer(models[1], 32, 32)


@pytest.mark.parametrize("name", ["MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY", None])
def test_egl_is_chosen_where_nobody_chose_and_nothing_is_shown(monkeypatch, name):
    """MuJoCo reads the choice when its module is loaded; afterwards the variable is as before."""
    for variable in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    if name is not None:
        monkeypatch.setenv(name, "x")
    before, seen = dict(os.environ), []
    monkeypatch.setattr(
        render.importlib, "reload", lambda module: seen.append(os.environ["MUJOCO_GL"])
    )
    render._prefer_egl_without_display()
    assert seen == (["egl"] if name is None else [])
    assert dict(os.environ) == before


WALKER = humanoid.make_scene()


@pytest.mark.parametrize("camera", [camera.name for camera in WALKER.cameras])
def test_cameras_and_lights_go_with_the_link_that_the_view_follows_and_do_not_turn(camera):
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(WALKER, with_visuals=True))
    asked = next(one for one in WALKER.cameras if one.name == camera)
    data, seen = mujoco.MjData(model), []
    for place, quat in (((0, 0, 1.1), (1, 0, 0, 0)), ((47.5, 3, 0.9), (0.6, 0, 0, 0.8))):
        data.qpos[:3], data.qpos[3:7] = place, quat
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        at = data.camera(camera)
        moved = np.array(place) - (0, 0, humanoid.TORSO_HEIGHT_M)
        np.testing.assert_allclose(at.xpos, asked.pos_w + moved, atol=1e-6)
        look = np.subtract(asked.target_w, asked.pos_w)
        np.testing.assert_allclose(
            -at.xmat.reshape(3, 3)[:, 2], look / np.linalg.norm(look), atol=1e-6
        )
        seen.append((data.light_xpos - place, data.light_xdir.copy()))
    np.testing.assert_allclose(*seen, atol=1e-6)


def test_the_floor_is_there_wherever_it_runs():
    """The first picture of a place far away is that of the place itself, but for the lines on the ground."""
    scene = dataclasses.replace(WALKER, marks=WALKER.marks[:1])
    drawer = render.SceneRenderer(scene, WIDTH, HEIGHT, "side")
    home = jax.tree.map(lambda leaf: np.asarray(leaf[0]), home_state(scene, 1))
    far = home.with_robot(base_pos_w=home.robot.base_pos_w + np.float32([64, 0, 0]))
    near, away = (drawer.frame(state).astype(int) for state in (home, far))
    drawer.close()
    assert np.abs(near - away).mean() < 3
