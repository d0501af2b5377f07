"""Learner and worker with the gpu pipeline, on a device that is played on the host on both sides.

What they show must be what the CPU pipeline shows, number by number: the physics is the same.
"""

import ctypes
import os
import signal
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import warp as wp

from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.engines.isaacgym.client import IsaacGym
from screwpush_sim.errors import DeviceLostError, SimClosedError

from .conftest import STANDIN, config, failure, host, is_running, stepped
from .driver import Driver

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(jax.default_backend() != "cpu", reason="a GPU has a real driver"),
]

PATH = f"{Path(__file__).parent}:{STANDIN}"
SCENE = make_scene(SceneConfig(), physics="train")


@pytest.fixture
def driver(monkeypatch):
    """The learner's driver; Warp and JAX take the host for the device that it knows."""
    cpu, played, load = wp.get_device("cpu"), Driver(), ctypes.CDLL
    monkeypatch.setattr(
        ctypes,
        "CDLL",
        lambda name, *a, **k: played.library if name == "libcuda.so.1" else load(name, *a, **k),
    )
    find = wp.get_device
    monkeypatch.setattr(wp, "get_device", lambda name: cpu if name == "cuda:0" else find(name))
    monkeypatch.setattr(type(cpu), "stream", types.SimpleNamespace(cuda_stream=played.STREAM))
    monkeypatch.setattr(wp, "synchronize_stream", lambda stream: None)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    return played


@pytest.fixture
def build_gpu(driver, break_gym):
    """`(handover, exportable) -> IsaacGym` of two scenes with the gpu pipeline."""
    made = []

    def make(handover: str, exportable: bool) -> IsaacGym:
        break_gym(f"import gpu_on_host; gpu_on_host.install(Gym, {exportable})")
        options = config(pipeline="gpu", python_path=PATH, handover=handover, spin_s=0.01)
        made.append(IsaacGym(SCENE, 2, options))
        return made[-1]

    yield make
    for sim in made:
        sim.close()
    assert not driver.own
    assert not driver.mapped
    assert not driver.registered


def drive(sim: IsaacGym, home):
    """Moves the arm, puts the screws of the second scene elsewhere, and goes on."""
    for _ in range(2):
        sim.step(home + 0.1)
    state = host(sim)
    moved = state.with_bodies(
        "screws", pos_w=state.bodies["screws"].pos_w + np.float32([0.05, 0.0, 0.02])
    )
    sim.write(jnp.array([False, True]), sim.pack(jax.tree.map(jnp.asarray, moved)))
    sim.step((home - 0.1).at[0, 2].set(jnp.nan))
    return host(sim)


@pytest.fixture(scope="module")
def expected():
    """What the CPU pipeline shows."""
    sim = IsaacGym(SCENE, 2, config())
    home = jnp.tile(jnp.array(elfin15.HOME_RAD, jnp.float32), (2, 1))
    yield drive(sim, home), home
    sim.close()


ORDER = [*["simulate"] * 5, "fetch_results", "refresh_dof_state_tensor", "synchronize"]
"""A control step's calls that have to come in this order, and no more often."""


def test_the_workers_own_tensors_show_what_the_cpu_pipeline_shows(expected, build_gpu, driver):
    """And a new worker goes on from there when that one was killed."""
    state, home = expected
    sim = build_gpu("direct", exportable=True)
    assert sim.handover.startswith("direct: as asked")
    jax.tree.map(np.testing.assert_array_equal, drive(sim, home), state)
    assert sim._worker._last_lines().splitlines()[-len(ORDER) :] == ORDER
    assert len(driver.mapped) == 2
    snapshot = sim.snapshot()
    os.kill(sim.worker_pid, signal.SIGKILL)
    failure(lambda: stepped(sim, home), "SIGKILL")
    failure(lambda: sim.step(home), "SIGKILL")
    sim.restart()
    sim.restore(snapshot)
    for name, value in sim.snapshot().items():
        np.testing.assert_array_equal(value, snapshot[name])
        np.testing.assert_array_equal(sim.views()[name], snapshot[name])


def test_what_cannot_be_exported_is_packed_and_shows_the_same(expected, build_gpu, driver):
    state, home = expected
    sim = build_gpu("auto", exportable=False)
    assert sim.handover.startswith("arena: Isaac Gym's own tensors cannot be had")
    assert "cuMemGetAddressRange" in sim.handover
    jax.tree.map(np.testing.assert_array_equal, drive(sim, home), state)
    assert sim._worker._last_lines().splitlines()[-len(ORDER) :] == ORDER
    assert not driver.mapped


@pytest.mark.parametrize("killed", [True, False])
def test_a_lost_device_is_told_with_the_workers_failure_and_leaves_no_worker(
    build_gpu, driver, monkeypatch, lost, killed
):
    """Under NVIDIA's MPS a worker that dies while it computes takes the learner's device along."""
    sim = build_gpu("direct", exportable=True)
    pid = sim.worker_pid
    monkeypatch.setattr(wp, "synchronize_device", lost)
    if killed:  # and the device is lost before anybody has noticed
        os.kill(pid, signal.SIGKILL)
    said = failure(sim.close, "cannot use its GPU any more.*error 700", DeviceLostError)
    assert ("killed by SIGKILL" in said) == ("MPS" in said) == killed
    assert not is_running(pid)
    sim.close()
    failure(sim.snapshot, "closed", SimClosedError)
    for memory in (driver.own, driver.mapped, driver.registered):
        memory.clear()  # it went with the device
