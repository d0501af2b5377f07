"""Both hand-overs on a GPU: the stand-in steps on the host, its tensors are the device's.

Run it where torch, JAX and Warp see the same GPU. The whole contract runs there, too:
`SCREWPUSH_TEST_HANDOVER=arena` (or `direct`) before `pytest tests/sim -k isaacgym`.
"""

import os
import signal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim.assets import elfin15
from screwpush_sim.engines.isaacgym.worker.cuda import Cuda, CudaError
from screwpush_sim.errors import WorkerError

from .conftest import host, is_running, stepped

pytestmark = pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs a CUDA device")
STEPS = 200


@pytest.fixture(autouse=True)
def go_file(tmp_path, monkeypatch):
    """A file that a worker may wait for."""
    monkeypatch.setenv("SCREWPUSH_TEST_GO", str(tmp_path / "go"))


@pytest.fixture(params=["arena", "direct"])
def sim(build, request):
    made = build(num_envs=64, pipeline="gpu", handover=request.param)
    assert made.handover.startswith(request.param)
    return made


def home(sim):
    return jnp.tile(jnp.array(elfin15.HOME_RAD, jnp.float32), (sim.spec.num_envs, 1))


def test_auto_takes_the_direct_hand_over_where_it_can(build):
    assert build(pipeline="gpu").handover.startswith("direct: auto")


def test_views_keep_their_address_and_show_what_was_written(sim):
    where = {name: view.unsafe_buffer_pointer() for name, view in sim.views().items()}
    for shift in (0.1, -0.1):
        targets = home(sim).at[:, 0].add(shift)  # about the vertical: the rod touches nothing
        for _ in range(10):
            sim.step(targets)
        np.testing.assert_allclose(host(sim).robot.joint_pos, targets, atol=5e-3)
    assert {n: v.unsafe_buffer_pointer() for n, v in sim.views().items()} == where


def test_a_slow_reader_sees_each_step_whole(sim):
    """Each step moves every joint by a known amount; the next step overwrites the memory."""
    busy = jnp.eye(1024) * 0.1

    @jax.jit
    def transition(views, clock, busy):
        turned = jax.lax.fori_loop(0, 100, lambda _, x: jnp.tanh(x @ x), busy)
        late = jnp.sum(turned) * 0.0  # not folded: it could be NaN
        seen = sim.unpack(views).robot.joint_pos + late
        return seen, home(sim) + 0.2 * jnp.sin(0.3 * clock)

    kept, targets = [], home(sim)
    for clock in range(STEPS):
        sim.step(targets)
        shown = sim.snapshot()["dof"][..., 0]
        seen, targets = transition(sim.views(), jnp.float32(clock), busy)
        kept.append((shown, seen))
    wrong = sum(np.abs(shown - np.asarray(seen)).max() > 1e-6 for shown, seen in kept)
    assert wrong == 0


def test_the_host_runs_ahead_of_the_worker(build, break_gym):
    """Three steps are queued and what reads them is dispatched while the first one still lasts."""
    break_gym("""
import os, time
def wait(*_, step=Gym.simulate):
    while not os.path.exists(os.environ["SCREWPUSH_TEST_GO"]):
        time.sleep(0.01)
    step(*_)
Gym.simulate = wait
""")
    go = Path(os.environ["SCREWPUSH_TEST_GO"])
    sim = build(pipeline="gpu")
    start, look = home(sim), jax.jit(lambda views: sim.unpack(views).robot.joint_pos[:, 0] + 0.0)
    asked = [start.at[:, 0].add(shift) for shift in (0.1, 0.2, 0.3)]
    look(sim.views()).block_until_ready()  # what is new to the device waits until it is idle
    seen = []
    for targets in asked:
        for _ in range(10):
            sim.step(targets)
        seen.append(look(sim.views()))
    assert not any(array.is_ready() for array in seen)
    go.touch()
    np.testing.assert_allclose(np.stack(seen, 1), [[0.1, 0.2, 0.3]] * 2, atol=5e-3)


def test_written_scenes_begin_there_and_others_go_on(sim):
    sim.step(home(sim))
    state = host(sim)
    moved = state.with_bodies(
        "screws", pos_w=state.bodies["screws"].pos_w + np.float32([0.05, 0.0, 0.0])
    )
    mask = np.arange(64) % 3 == 0
    sim.write(jnp.asarray(mask), sim.pack(jax.tree.map(jnp.asarray, moved)))
    sim.step(home(sim))
    shift = (host(sim).bodies["screws"].pos_w - state.bodies["screws"].pos_w)[..., 0]
    np.testing.assert_allclose(shift, np.where(mask, 0.05, 0.0)[:, None] * np.ones(3), atol=3e-3)


def test_a_killed_worker_leaves_an_error_and_a_new_one_goes_on(sim):
    for _ in range(3):
        sim.step(home(sim))
    snapshot, pid = sim.snapshot(), sim.worker_pid
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="SIGKILL"):
        stepped(sim, home(sim))
    assert not is_running(pid)
    sim.restart()
    sim.restore(snapshot)
    np.testing.assert_array_equal(sim.snapshot()["root"], snapshot["root"])
    sim.step(home(sim))


def test_an_export_is_found_again_at_its_offset():
    cuda = Cuda()
    base = cuda.allocate(4096)
    assert cuda.export(base).offset == 0
    assert cuda.export(base + 256).offset == 256
    assert cuda.export(base + 256).handle == cuda.export(base).handle
    cuda.free(base)


def test_what_is_no_device_memory_is_refused():
    with pytest.raises(CudaError, match="cuMemGetAddressRange"):
        Cuda().export(np.zeros(8).ctypes.data)
