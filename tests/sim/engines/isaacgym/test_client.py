"""What only the engine `isaacgym` promises: memory, frames, hand-overs."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.builders import mjcf, urdf
from screwpush_sim.engines.isaacgym.worker.cuda import Cuda, CudaError
from screwpush_sim.errors import WorkerError

from .conftest import host

pytestmark = pytest.mark.slow


def shifted(state, distance_m):
    """`state` with its screws moved along x."""
    return state.with_bodies(
        "screws", pos_w=state.bodies["screws"].pos_w + np.float32([distance_m, 0.0, 0.0])
    )


def write(sim, state, mask):
    sim.write(mask, sim.pack(jax.tree.map(jnp.asarray, state)))


def test_a_view_is_the_workers_memory(build, targets):
    """Read again without asking for a new view: the worker wrote it in its own process."""
    sim = build()
    view = sim.views()["dof"]
    address = view.unsafe_buffer_pointer()
    sim.step(targets + 0.1)
    assert sim.views()["dof"].unsafe_buffer_pointer() == address
    assert address % 64 == 0
    assert np.abs(np.asarray(sim.views()["dof"])[..., 0] - np.asarray(targets)).max() > 0.01


def test_two_writes_before_a_step_both_count(build, targets):
    sim = build()
    state = host(sim)
    for row, shift in ((0, 0.05), (1, -0.05)):
        write(sim, shifted(state, shift), jnp.arange(2) == row)
    sim.step(targets)
    after = host(sim).bodies["screws"].pos_w - state.bodies["screws"].pos_w
    np.testing.assert_allclose(after[..., 0], [[0.05] * 3, [-0.05] * 3], atol=2e-3)


def test_a_snapshot_holds_what_was_written_and_not_yet_stepped(build, targets):
    sim, twin = build(), build()
    sim.step(targets)
    state = host(sim)
    write(sim, shifted(state, 0.1), jnp.array([False, True]))
    twin.restore(sim.snapshot())
    want = state.bodies["screws"].pos_w.copy()
    want[1] += [0.1, 0.0, 0.0]
    np.testing.assert_allclose(host(twin).bodies["screws"].pos_w, want, atol=1e-6)


def test_the_hand_over_is_named_and_its_cost_is_measured(build, targets):
    sim = build()
    assert sim.handover.startswith("arena: host memory")
    sim.report()
    for _ in range(5):
        sim.step(targets)
    report = sim.report()()
    assert 0.0 < report["perf/handover_ms"] < report["perf/sim_ms"]


@pytest.fixture(scope="module")
def both_arms():
    """The arm's URDF and the scene's MJCF, both compiled by MuJoCo itself."""
    text = urdf.build_robot_urdf(elfin15.make_robot()).replace(
        '<robot name="elfin15">',
        '<robot name="elfin15"><mujoco><compiler fusestatic="false"/></mujoco>',
    )
    return mujoco.MjModel.from_xml_string(text), mujoco.MjModel.from_xml_string(
        mjcf.build_mjcf(make_scene(SceneConfig()))
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_urdf_has_the_kinematics_and_dynamics_of_the_mjcf(both_arms, seed):
    """MuJoCo reads the URDF with a reader that shares nothing with the one of the stand-in."""
    from_urdf, from_mjcf = both_arms
    rng = np.random.default_rng(seed)
    joints = rng.uniform(-1, 1, 6) * [link.range_rad for link in elfin15.LINKS]
    masses = []
    for model in (from_urdf, from_mjcf):
        data = mujoco.MjData(model)
        data.qpos[:6] = joints
        mujoco.mj_forward(model, data)
        full = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, full)
        armature = np.diag(model.dof_armature)
        tool = data.body("tool")
        base = elfin15.BASE_POS_W if model is from_urdf else (0.0, 0.0, 0.0)
        masses.append(((full - armature)[:6, :6], tool.xpos + base, tool.xmat))
    for got, want in zip(*masses, strict=True):
        np.testing.assert_allclose(got, want, atol=2e-5)


def test_without_a_driver_cuda_says_so(monkeypatch):
    import ctypes

    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(CudaError, match="no CUDA driver.*libcuda"):
        Cuda()


def test_a_worker_error_is_a_simulator_error():
    from screwpush_sim.errors import SimError

    assert issubclass(WorkerError, SimError)
