"""Faults with memory on a GPU: a clear error in time, no process and no device memory left."""

import gc
import os
import signal
import time

import jax
import jax.numpy as jnp
import pytest
import warp as wp

from screwpush_sim.assets import elfin15
from screwpush_sim.engines.isaacgym.device_block import DeviceBlock

from .conftest import LIMIT_S, SLOW_STEP, failure, gone_in_time, is_running, learner, stepped

pytestmark = pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs a CUDA device")
HANDOVERS = pytest.mark.parametrize("handover", ["arena", "direct"])
SLACK_BYTES = 1 << 26  # a worker that stayed would hold its CUDA context, several times as much
TOO_MUCH = (
    "import torch; Gym.{call} = lambda *_: torch.empty(1 << 48, dtype=torch.uint8, device='cuda')"
)
LONG_KERNEL = "import torch; Gym.simulate = lambda *_: torch.cuda._sleep(1 << 33)"  # some 4 s


def free_bytes() -> int:
    """Free on the device; JAX's pool, which grows with what a test computes and stays, counts."""
    device = wp.get_device("cuda:0")
    wp.synchronize_device(device)
    return device.free_memory + jax.local_devices()[0].memory_stats()["pool_bytes"]


@pytest.fixture(autouse=True)
def no_memory_is_left():
    """What was free on the device before a test is free soon after it."""
    before = free_bytes()
    yield
    gc.collect()
    deadline = time.monotonic() + LIMIT_S
    while free_bytes() < before - SLACK_BYTES and time.monotonic() < deadline:
        time.sleep(0.1)
    assert free_bytes() >= before - SLACK_BYTES


def home(sim):
    return jnp.tile(jnp.array(elfin15.HOME_RAD, jnp.float32), (sim.spec.num_envs, 1))


@HANDOVERS
def test_a_worker_out_of_memory_in_a_step_says_so(build, break_gym, handover):
    break_gym(TOO_MUCH.format(call="simulate"))
    sim = build(pipeline="gpu", handover=handover)
    pid, targets = sim.worker_pid, home(sim)
    failure(lambda: stepped(sim, targets), "out of memory")
    assert not is_running(pid)
    sim.close()


def test_a_worker_out_of_memory_while_it_builds_says_so(build, break_gym):
    break_gym(TOO_MUCH.format(call="prepare_sim"))
    failure(lambda: build(pipeline="gpu"), "out of memory")


def test_a_block_that_cannot_be_opened_is_an_error_of_the_worker(build, monkeypatch):
    """As where a container keeps the processes' memory apart."""
    gpu = property(lambda self: {"handle": "00" * 64, "device": self.gpu})
    monkeypatch.setattr(DeviceBlock, "address", gpu)
    failure(lambda: build(pipeline="gpu"), "cuIpcOpenMemHandle")


@HANDOVERS
def test_a_hung_worker_is_ended_after_the_time_limit(build, break_gym, handover):
    break_gym(SLOW_STEP)
    sim = build(pipeline="gpu", handover=handover, step_timeout_s=1.0)
    pid, targets = sim.worker_pid, home(sim)
    failure(lambda: stepped(sim, targets), "longer than 1 s to answer 'step'")
    assert not is_running(pid)
    sim.close()


@HANDOVERS
def test_a_worker_killed_in_a_step_lets_go_of_everything_that_was_queued(
    build, break_gym, handover
):
    """The host has run ahead: steps, and calls that read each of them, wait for the first.

    JAX queues 32 calls and no more.
    """
    break_gym(SLOW_STEP)
    sim = build(pipeline="gpu", handover=handover)
    follow = jax.jit(lambda views, targets: targets + 0.0 * sim.unpack(views).robot.joint_pos)
    pid, targets = sim.worker_pid, home(sim)
    for _ in range(2):  # compiles for both kinds of targets: what is loaded later waits for the GPU
        targets = follow(sim.views(), targets)
    for _ in range(20):
        sim.step(targets)
        targets = follow(sim.views(), targets)
    while not sim._worker.page.pending:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    failure(sim.snapshot, "killed by SIGKILL")
    failure(sim.views, "killed by SIGKILL")
    jax.block_until_ready(targets)
    assert not is_running(pid)
    sim.close()


@HANDOVERS
def test_a_worker_killed_while_its_kernel_runs_leaves_the_learners_gpu_whole(
    build, break_gym, monkeypatch, handover
):
    break_gym(LONG_KERNEL)
    sim = build(pipeline="gpu", handover=handover)
    targets = home(sim)
    sim.step(targets)
    while not sim._worker.page.pending:
        time.sleep(0.01)
    time.sleep(1.0)  # the kernel is under way
    os.kill(sim.worker_pid, signal.SIGKILL)
    failure(sim.snapshot, "killed by SIGKILL")
    assert jnp.array_equal(home(sim), targets)
    monkeypatch.delenv("ISAACGYM_STANDIN_PATCH")
    sim.restart()
    stepped(sim, targets)
    sim.close()


def test_closing_waits_for_a_step_and_not_for_a_worker_that_hangs(build, break_gym):
    break_gym(SLOW_STEP)
    sim = build(pipeline="gpu", step_timeout_s=1.0)
    pid = sim.worker_pid
    sim.step(home(sim))
    begun = time.monotonic()
    sim.close()
    assert time.monotonic() - begun < LIMIT_S
    assert not is_running(pid)


STUCK = "import jax.numpy as j; sim.step(j.zeros((1, 6)))"


@pytest.mark.parametrize("then", ["time.sleep(600)", f"{STUCK}; time.sleep(600)"])
def test_a_killed_learner_leaves_no_worker(break_gym, then):
    if STUCK in then:
        break_gym(SLOW_STEP)
    child, worker = learner(then, pipeline="gpu")
    time.sleep(0.5)
    assert is_running(worker)
    child.kill()
    child.wait()
    assert gone_in_time(worker)


def test_a_learner_that_ends_in_a_step_without_close_leaves_no_worker(break_gym):
    break_gym(SLOW_STEP)
    child, worker = learner(STUCK, pipeline="gpu")
    assert child.wait(LIMIT_S) == 0
    assert gone_in_time(worker)
