"""The bolt's geometry and mass, and the arm's table, as MuJoCo understands the generated MJCF."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.assets.bolt import Bolt
from screwpush_sim.builders import mjcf
from screwpush_sim.physics import NamedPhysics, PhysicsConfig

# The arm of task.md: offset, rotation wxyz, mass, centre of mass, inertia, range. Copied by hand.
TASK_TABLE = [
    ((0, 0, 0.262), (1, 0, 0, 0), 26.18, (0, -0.0036, -0.0359), (0.2359, 0.2124, 0.1579), 3.14),
    ((0, 0, 0), (0.7071, 0.7071, 0, 0), 25.78, (0, 0.2921, 0.1540), (1.614, 0.0559, 1.591), 2.35),
    ((0, 0.73, 0), (0, 0.7071, 0.7071, 0), 7.876, (0.0361, 0, -0.0044), (0.0366, 0.0321, 0.0199), 2.61),
    ((0, 0, 0), (0.5, 0.5, 0.5, 0.5), 7.614, (0, -0.0650, 0.3208), (0.1619, 0.1592, 0.0129), 3.14),
    ((0, 0, 0.57), (0.7071, -0.7071, 0, 0), 3.393, (0, -0.0250, -0.0025), (0.0094, 0.0074, 0.0054), 2.56),
    ((0, 0, 0), (0.7071, 0.7071, 0, 0), 0.352, (0, -0.0043, 0.1395), (0.0004, 0.0003, 0.0002), 3.14),
]  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(mjcf.build_mjcf(make_scene(SceneConfig())))


@pytest.fixture(scope="module")
def solid_bolt():
    """A bolt whose mass MuJoCo computes itself, from a cylinder and the convex hull of the head."""
    bolt = Bolt()
    tail, head = -bolt.length_m / 2, bolt.head_x_m[0]
    corners = " ".join(str(v) for v in bolt.head_vertices_m().ravel())
    return mujoco.MjModel.from_xml_string(f"""
      <mujoco><asset><mesh name="head" vertex="{corners}"/></asset><worldbody><body>
        <freejoint/>
        <geom type="cylinder" size="{bolt.shank_radius_m}" fromto="{tail} 0 0 {head} 0 0"
              density="7850"/>
        <geom type="mesh" mesh="head" density="7850"/>
      </body></worldbody></mujoco>""")


def test_a_bolt_weighs_ninety_grams():
    mass, com_x, _ = Bolt().inertia()
    assert mass == pytest.approx(0.09, abs=0.01)
    assert 0.003 < com_x < 0.015, "shifted towards the head"


def test_mass_and_inertia_are_those_of_the_solid(solid_bolt):
    mass, com_x, inertia = Bolt().inertia()
    assert mass == pytest.approx(solid_bolt.body_mass[1], rel=1e-4)
    np.testing.assert_allclose(solid_bolt.body_ipos[1], [com_x, 0, 0], atol=1e-6)
    np.testing.assert_allclose(sorted(solid_bolt.body_inertia[1]), sorted(inertia), rtol=1e-4)


@pytest.mark.slow
def test_inertia_agrees_with_random_points_of_the_solid():
    """Monte Carlo over the box around it; the head is the intersection of three slabs."""
    bolt = Bolt()
    points = np.random.default_rng(0).uniform(-1, 1, (2_000_000, 3)) * [0.0475, 0.0098, 0.0098]
    x, y, z = points.T
    normals = np.pi / 6 + np.pi / 3 * np.arange(3)
    slabs = np.abs(np.outer(y, np.cos(normals)) + np.outer(z, np.sin(normals)))
    in_head = (x > 0.0395) & (slabs.max(1) < 0.0098 * np.cos(np.pi / 6))
    solid = points[in_head | ((x < 0.0395) & (y**2 + z**2 < 0.006**2))]
    mass = 7850 * len(solid) / len(points) * 0.095 * 0.0196**2
    centred = solid - solid.mean(0)
    second = mass * np.mean(centred**2, axis=0)
    assert bolt.inertia()[0] == pytest.approx(mass, rel=0.01)
    assert bolt.inertia()[1] == pytest.approx(solid[:, 0].mean(), abs=2e-4)
    axial, across, _ = bolt.inertia()[2]
    assert axial == pytest.approx(second[1] + second[2], rel=0.01)
    assert across == pytest.approx(second[0] + second[2], rel=0.01)


def test_the_head_is_a_hexagonal_prism_of_twelve_corners():
    bolt = Bolt()
    corners = bolt.head_vertices_m()
    assert corners.shape == (12, 3)
    np.testing.assert_allclose(np.unique(corners[:, 0].round(6)), [0.0395, 0.0475])
    np.testing.assert_allclose(np.hypot(corners[:, 1], corners[:, 2]), 0.0098, rtol=1e-9)
    for face in (corners[:6], corners[6:]):
        sides = np.linalg.norm(face - np.roll(face, 1, axis=0), axis=1)
        np.testing.assert_allclose(sides, 0.0098, rtol=1e-9)


def test_the_collision_shapes_span_the_bolts_length(model):
    shank = model.geom("screws1_shank")
    assert shank.size[0] == pytest.approx(0.006)
    low, high = shank.pos[0] - shank.size[1], shank.pos[0] + shank.size[1]
    assert low - 0.006 == pytest.approx(-0.0475)
    assert high == pytest.approx(0.0395)


@pytest.mark.parametrize("link", range(6))
def test_the_generated_arm_is_the_one_of_the_table(model, link):
    offset, quat, mass, com, inertia, limit = TASK_TABLE[link]
    body, joint = model.body(f"link{link + 1}"), model.joint(f"joint{link + 1}")
    np.testing.assert_allclose(body.pos, offset, atol=1e-9)
    assert abs(np.dot(body.quat, quat)) == pytest.approx(1.0, abs=1e-4)
    assert body.mass[0] == pytest.approx(mass)
    np.testing.assert_allclose(body.ipos, com, atol=1e-9)
    # MuJoCo sorts principal inertias; the body's inertial frame says which is which
    axes = Rotation.from_quat(body.iquat[[1, 2, 3, 0]]).as_matrix()
    tensor = axes @ np.diag(body.inertia) @ axes.T
    np.testing.assert_allclose(tensor, np.diag(inertia), atol=1e-9)
    np.testing.assert_allclose(joint.range, [-limit, limit])
    np.testing.assert_allclose(joint.axis, [0, 0, 1])


def test_the_base_stands_where_the_task_says(model):
    np.testing.assert_allclose(model.body("base").pos, [0, 0, 0.1])


def test_at_home_the_rod_points_down_three_centimetres_above_the_centre(model):
    data = mujoco.MjData(model)
    data.qpos[:6] = elfin15.HOME_RAD
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.site("tip").xpos, [-0.75, 0, 0.03], atol=1e-3)
    np.testing.assert_allclose(data.site("tip").xmat.reshape(3, 3)[:, 2], [0, 0, -1], atol=1e-3)


def test_the_rod_is_a_capsule_that_ends_at_the_tip(model):
    rod, tip = model.geom("tool_rod"), model.site("tip")
    assert rod.size[0] == pytest.approx(0.010)
    assert rod.pos[2] - rod.size[1] == pytest.approx(0.18)
    assert rod.pos[2] + rod.size[1] + rod.size[0] == pytest.approx(tip.pos[2])
    assert tip.pos[2] == pytest.approx(0.30)


@pytest.mark.parametrize("num_screws", [2, 3, 8])
def test_the_scene_holds_as_many_screws_as_asked_for(num_screws):
    model = mujoco.MjModel.from_xml_string(
        mjcf.build_mjcf(make_scene(SceneConfig(num_screws=num_screws)))
    )
    assert (model.nq, model.nv, model.nu) == (6 + 7 * num_screws, 6 + 6 * num_screws, 6)
    names = {model.body(i).name for i in range(model.nbody)}
    assert {f"screws{i + 1}" for i in range(num_screws)} <= names


def test_the_scene_takes_its_numbers_from_the_configuration():
    physics = PhysicsConfig(
        0.01, 5, "elliptic", contact_time_s=0.03, contact_impedance=(0.8, 0.9), solver_iterations=7
    )
    config = SceneConfig(physics=NamedPhysics(train=physics), friction=0.3)
    scene = make_scene(config, physics="train")
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene))
    assert model.opt.timestep == 0.01
    assert model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC
    assert model.geom("screws1_head").friction[0] == pytest.approx(0.3)
    assert model.geom("tool_rod").friction[0] == pytest.approx(0.3)
    assert config.control_dt_s == pytest.approx(0.05)
    assert scene.physics.decimation == 5
    assert scene.physics.solver_iterations == 7
    for geom in ("screws1_head", "tool_rod", "ground"):
        assert model.geom(geom).solref[0] == pytest.approx(0.03)
        assert tuple(model.geom(geom).solimp[:2]) == pytest.approx((0.8, 0.9))


@pytest.mark.parametrize(
    ("a", "b", "meet"),
    [
        ("tool_rod", "ground", True),
        ("tool_rod", "screws1_shank", True),
        ("tool_rod", "screws1_head", True),
        ("screws1_head", "screws2_shank", True),
        ("screws1_shank", "ground", True),
        ("link5_wrist", "ground", True),
        ("link5_wrist", "screws1_head", False),
    ],
)
def test_who_may_touch_whom(model, a, b, meet):
    a, b = model.geom(a), model.geom(b)
    assert bool((a.contype & b.conaffinity) | (b.contype & a.conaffinity)) == meet
