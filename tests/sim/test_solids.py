"""Mass and moments of the solid shapes, and what the builders make of shapes in any direction."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screwpush_sim.builders import mjcf, solids, urdf
from screwpush_sim.scene import (
    Box,
    Capsule,
    Hull,
    Joint,
    Link,
    Physics,
    RobotModel,
    Scene,
    Sphere,
    TorqueDrive,
)

SHAPES = (
    Capsule("limb", (0.1, -0.2, 0.3), (0.4, 0.1, 0.0), 0.05),
    Capsule("down", (0.0, 0.0, 0.0), (0.0, 0.0, -0.3), 0.04),
    Sphere("ball", (-0.2, 0.1, 0.0), 0.1),
    Box("block", (0.0, 0.3, -0.1), (0.1, 0.05, 0.2)),
)
ROBOT = RobotModel(
    "probe",
    (
        Link("base", "", density=700.0, shapes=SHAPES),
        Link("hand", "base", (0.3, 0.0, 0.1), joint=Joint("wrist", (-1, 1), TorqueDrive(1), (0, 1, 0)),
             density=900.0, shapes=SHAPES[:1]),
    ),
    home_rad=(0.0,),
    base="free",
)  # fmt: skip


def tensor(model, body: str) -> np.ndarray:
    """MuJoCo keeps principal moments and the frame in which they are."""
    body = model.body(body)
    axes = Rotation.from_quat(body.iquat[[1, 2, 3, 0]]).as_matrix()
    return axes @ np.diag(body.inertia) @ axes.T


@pytest.fixture(scope="module")
def from_mjcf():
    return mujoco.MjModel.from_xml_string(mjcf.build_mjcf(Scene(ROBOT, Physics(0.01, 1, 1.0))))


@pytest.fixture(scope="module")
def from_urdf():
    """MuJoCo's own reader, which keeps the base as a body if it is told to."""
    text = urdf.build_robot_urdf(ROBOT).replace(
        '<robot name="probe">',
        '<robot name="probe"><link name="world"/><joint name="float" type="floating">'
        '<parent link="world"/><child link="base"/></joint>',
    )
    return mujoco.MjModel.from_xml_string(text)


@pytest.mark.parametrize("link", ROBOT.links, ids=lambda link: link.name)
def test_mass_and_moments_are_those_that_mujoco_computes(from_mjcf, link):
    mass, center, inertia = solids.of_density(link.shapes, link.density)
    assert mass == pytest.approx(from_mjcf.body(link.name).mass[0])
    np.testing.assert_allclose(center, from_mjcf.body(link.name).ipos, atol=1e-12)
    np.testing.assert_allclose(inertia, tensor(from_mjcf, link.name), atol=1e-9)


@pytest.mark.parametrize("link", ["base", "hand"])
def test_the_urdf_has_the_mass_of_the_mjcf(from_mjcf, from_urdf, link):
    assert from_urdf.body(link).mass[0] == pytest.approx(from_mjcf.body(link).mass[0], rel=1e-6)
    np.testing.assert_allclose(from_urdf.body(link).ipos, from_mjcf.body(link).ipos, atol=1e-6)
    np.testing.assert_allclose(tensor(from_urdf, link), tensor(from_mjcf, link), atol=1e-6)


def test_a_cylinder_of_the_urdf_lies_along_its_capsule(from_mjcf, from_urdf):
    """Its half length is the capsule's, to which the round ends are added by whoever reads it."""
    for model in (from_mjcf, from_urdf):
        kinds = int(mujoco.mjtGeom.mjGEOM_CAPSULE), int(mujoco.mjtGeom.mjGEOM_CYLINDER)
        found = [i for i in range(model.ngeom) if model.geom_type[i] in kinds]
        for geom, shape in zip(found, (*SHAPES[:2], SHAPES[0]), strict=True):
            axis = np.subtract(shape.end_m, shape.start_m)
            z = Rotation.from_quat(model.geom_quat[geom][[1, 2, 3, 0]]).as_matrix()[:, 2]
            assert abs(z @ axis) == pytest.approx(np.linalg.norm(axis), rel=1e-6)
            middle = np.add(shape.start_m, shape.end_m) / 2
            np.testing.assert_allclose(model.geom_pos[geom], middle, atol=1e-6)
            half = np.linalg.norm(axis) / 2
            np.testing.assert_allclose(model.geom_size[geom][:2], [shape.radius_m, half], rtol=1e-6)


def test_a_hull_has_no_mass_by_density():
    hull = Hull("wedge", ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)), ())
    with pytest.raises(ValueError, match="shape 'wedge' is a hull: give its owner an inertia"):
        solids.of_density((hull,), 1000.0)
