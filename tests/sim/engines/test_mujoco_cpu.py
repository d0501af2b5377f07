"""What only MuJoCo's C engine promises."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mujoco.batch import SimulationError

from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.assets.bolt import Bolt
from screwpush_sim.builders import mjcf
from screwpush_sim.engines.mujoco_cpu import MujocoCpu
from screwpush_sim.errors import SceneNotSupportedError, SnapshotMismatchError
from screwpush_sim.options import MujocoConfig


@pytest.fixture
def scene():
    return make_scene(SceneConfig(), physics="train")


@pytest.fixture
def build(scene):
    """Builds simulators and closes them."""
    made = []

    def make(num_envs=5, num_threads=1) -> MujocoCpu:
        made.append(MujocoCpu(scene, num_envs, MujocoConfig(num_threads)))
        return made[-1]

    yield make
    for sim in made:
        sim.close()


def stir(sim: MujocoCpu, steps: int) -> dict[str, np.ndarray]:
    """Different targets in each scene, so that rods hit screws; the views at the end."""
    rng = np.random.default_rng(0)
    home = np.array(elfin15.HOME_RAD)
    for _ in range(steps):
        targets = home + rng.normal(scale=0.05, size=(sim.spec.num_envs, 6))
        sim.step(jnp.asarray(targets, jnp.float32))
    return {name: np.array(view) for name, view in sim.views().items()}


def test_what_mujoco_finds_to_be_no_model_is_told_in_one_line():
    weightless = make_scene(SceneConfig(screw=Bolt(density=1e-12)), physics="train")
    with pytest.raises(SceneNotSupportedError, match="MuJoCo cannot simulate the scene: .*mass"):
        MujocoCpu(weightless, 1, MujocoConfig(1))
    with pytest.raises(SceneNotSupportedError) as caught:
        MujocoCpu(weightless, 1, MujocoConfig(1), {"body_size": np.float32([2.0])})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("num_threads", [2, 3, 0])
def test_results_do_not_depend_on_the_number_of_threads(build, num_threads):
    one, many = stir(build(), 8), stir(build(num_threads=num_threads), 8)
    jax.tree.map(np.testing.assert_array_equal, one, many)


@pytest.mark.slow
def test_a_simulator_begins_at_home_with_the_screws_side_by_side(build):
    sim = build()
    state = sim.unpack(sim.views())
    np.testing.assert_allclose(state.robot.joint_pos, np.tile(elfin15.HOME_RAD, (5, 1)), rtol=1e-6)
    np.testing.assert_allclose(state.bodies["screws"].pos_w[0, :, 1], [-0.12, 0.0, 0.12], atol=1e-6)


def test_physics_is_that_of_a_single_mujoco_scene(scene, build):
    """One scene stepped by hand with mj_step, float64 state rounded once to float32."""
    sim = build(num_envs=1)
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene))
    model.opt.iterations = MujocoConfig().solver_iterations
    data = mujoco.MjData(model)
    data.qpos[:6] = elfin15.HOME_RAD
    targets = jnp.array([elfin15.HOME_RAD]) + 0.05
    data.ctrl[:] = targets[0]
    for _ in range(4):
        sim.step(targets)
        for _ in range(scene.physics.decimation):
            mujoco.mj_step(model, data)
    views = sim.views()
    np.testing.assert_array_equal(views["qpos"][0], data.qpos.astype(np.float32))
    np.testing.assert_array_equal(views["qvel"][0], data.qvel.astype(np.float32))


def test_views_are_the_rounded_rows_of_the_batch(build):
    sim = build()
    shown = stir(sim, 3)
    rows = sim._batch.bind("qpos"), sim._batch.bind("qvel")
    for name, row in zip(("qpos", "qvel"), rows, strict=True):
        assert row.dtype == np.float64
        np.testing.assert_array_equal(shown[name], row.astype(np.float32))


@pytest.mark.slow
def test_a_blow_up_leaves_no_log_file(build, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    sim = build()
    views = {name: jnp.array(view) for name, view in sim.views().items()}
    sim.write(jnp.ones(5, bool), {**views, "qvel": views["qvel"] + 1e13})
    targets = jnp.tile(jnp.array([elfin15.HOME_RAD]), (5, 1))
    for _ in range(3):
        sim.step(targets)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_snapshot_is_a_copy(build):
    sim = build()
    snapshot = sim.snapshot()
    before = {name: value.copy() for name, value in snapshot.items()}
    stir(sim, 2)
    jax.tree.map(np.testing.assert_array_equal, snapshot, before)


def test_a_snapshot_of_another_scene_is_refused(build):
    with pytest.raises(SnapshotMismatchError, match=r"\[5, \d+\].*\[4, \d+\]"):
        build().restore(build(num_envs=4).snapshot())


def test_a_scene_in_which_mujoco_gives_up_shows_nan(build, monkeypatch):
    """MuJoCo's own errors (a full arena, say) cannot be had at will, so one is raised by hand."""
    sim = build()
    step = type(sim._batch).step

    def step_and_complain(batch, **options):
        step(batch, **options)
        raise SimulationError(np.array([3]), "arena overflow", 5)

    monkeypatch.setattr(type(sim._batch), "step", step_and_complain)
    sim.step(jnp.tile(jnp.array([elfin15.HOME_RAD]), (5, 1)))
    for view in sim.views().values():
        np.testing.assert_array_equal(np.isnan(view).all(axis=1), np.arange(5) == 3)
        assert not np.isnan(np.delete(view, 3, axis=0)).any()
