"""What a scene's physics says of contacts and the solver reaches MuJoCo's model, and nothing else."""

import dataclasses
from xml.etree import ElementTree as ET

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from screwpush_sim import registry
from screwpush_sim.assets import humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.builders import mjcf
from screwpush_sim.options import MujocoConfig, MujocoWarpConfig
from screwpush_sim.state import home_state

ARM = make_scene(SceneConfig(), physics="train")
SCENES = {"arm with screws": ARM, "humanoid": humanoid.make_scene()}


def compiled(text: str) -> np.ndarray:
    """The compiled model as bytes."""
    model = mujoco.MjModel.from_xml_string(text)
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer


def with_physics(scene, **changes):
    return dataclasses.replace(scene, physics=dataclasses.replace(scene.physics, **changes))


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize("drawn", [False, True])
def test_contacts_are_mujocos_own_where_nothing_else_is_asked_for(scene, drawn):
    own = with_physics(scene, contact_time_s=0.02, contact_impedance=(0.9, 0.95))
    text = mjcf.build_mjcf(own, with_visuals=drawn)
    root = ET.fromstring(text)
    root.remove(root.find("default"))
    np.testing.assert_array_equal(compiled(text), compiled(ET.tostring(root, encoding="unicode")))


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_every_contact_gives_way_as_asked(scene):
    changed = with_physics(scene, contact_time_s=0.004, contact_impedance=(0.97, 0.995))
    usual, other = (mujoco.MjModel.from_xml_string(mjcf.build_mjcf(s)) for s in (scene, changed))
    np.testing.assert_array_equal(other.geom_solref, np.tile([0.004, 1.0], (other.ngeom, 1)))
    solimp = [0.97, 0.995, 0.001, 0.5, 2.0]
    np.testing.assert_array_equal(other.geom_solimp, np.tile(solimp, (other.ngeom, 1)))
    np.testing.assert_array_equal(other.jnt_solref, usual.jnt_solref)
    np.testing.assert_array_equal(other.jnt_solimp, usual.jnt_solimp)


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("mujoco", MujocoConfig(num_threads=1)),
        pytest.param("mujoco_warp", MujocoWarpConfig(), marks=pytest.mark.slow),
    ],
)
def test_the_scenes_bound_on_iterations_takes_the_place_of_the_engines(engine, options):
    """With one iteration a heap that falls moves otherwise than with many."""
    pytest.importorskip(engine)

    def end(of_scene: int, of_engine: int) -> np.ndarray:
        scene = with_physics(SCENES["arm with screws"], solver_iterations=of_scene)
        changed = dataclasses.replace(options, solver_iterations=of_engine)
        sim = registry.make_simulator(engine, scene, 1, changed)
        state, heap = home_state(scene, 1), [[-0.75, 0.0, 0.02 + 0.03 * i] for i in range(3)]
        state = jax.tree.map(jnp.array, state).with_bodies("screws", pos_w=jnp.array([heap]))
        sim.write(jnp.ones(1, bool), sim.pack(state))
        for _ in range(5):
            sim.step(jnp.array([scene.robot.home_rad]))
        try:
            return np.array(sim.unpack(sim.views()).bodies["screws"].pos_w)
        finally:
            sim.close()

    one, many = end(0, 1), end(0, 100)
    np.testing.assert_array_equal(end(1, 100), one)
    np.testing.assert_array_equal(end(100, 1), many)
    assert np.abs(one - many).max() > 1e-6
