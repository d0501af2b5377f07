"""The hand-overs between the worker's process and JAX on a CUDA device, and their order.

Races are provoked: the reader is slow on purpose, and the worker overwrites what is read as soon as
it is asked for the next step. Broken on purpose, the same loop loses numbers.
"""

import dataclasses
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import warp as wp

from screwpush_sim import bridge
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.engines.isaacgym.client import IsaacGym
from screwpush_sim.errors import WorkerError
from screwpush_sim.options import IsaacGymConfig

from .conftest import STANDIN

pytestmark = pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs a CUDA device")

NUM_ENVS, STEPS = 64, 1000
HANDOVERS = ["direct", "arena"]


@pytest.fixture
def build(monkeypatch):
    """`(handover, pool=False) -> IsaacGym`; with `pool` the worker's tensors cannot be exported."""
    made = []

    def make(handover: str, pool: bool = False, num_envs: int = NUM_ENVS) -> IsaacGym:
        if pool:
            monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "backend:cudaMallocAsync")
            monkeypatch.setenv("PYTORCH_ALLOC_CONF", "backend:cudaMallocAsync")
        options = IsaacGymConfig(python=sys.executable, python_path=STANDIN, handover=handover)
        scene = make_scene(SceneConfig(), physics="train")
        scene = dataclasses.replace(scene, physics=dataclasses.replace(scene.physics, decimation=1))
        made.append(IsaacGym(scene, num_envs, options))
        return made[-1]

    yield make
    for sim in made:
        sim.close()


@pytest.mark.parametrize("handover", HANDOVERS)
def test_what_is_mapped_is_what_jax_reads(build, handover):
    sim = build(handover)
    assert sim.handover.startswith(handover)
    block = sim._block
    for name, view in sim.views().items():
        assert view.unsafe_buffer_pointer() == block._fields[name].ptr
        inside = block._base <= block._fields[name].ptr < block._base + block._layout.size
        assert inside == (handover == "arena"), "direct reads the worker's own allocation"


def test_auto_takes_the_workers_own_tensors_where_they_can_be_had(build):
    assert build("auto").handover.startswith("direct")


def test_auto_refuses_memory_of_a_pool_and_says_why(build):
    assert build("auto", pool=True).handover.startswith("arena")


def test_direct_of_a_pool_is_an_error(build):
    with pytest.raises(WorkerError, match="arena"):
        build("direct", pool=True)


@pytest.mark.parametrize("handover", HANDOVERS)
def test_nothing_is_lost_in_a_thousand_steps(build, handover):
    assert lost(build(handover)) == 0


@pytest.mark.parametrize("handover", HANDOVERS)
def test_if_the_worker_does_not_wait_for_the_reader_numbers_are_lost(build, handover, monkeypatch):
    sim = build(handover)
    monkeypatch.setattr(bridge, "lend", _Unordered)
    assert lost(sim) > 0


@pytest.mark.parametrize("handover", HANDOVERS)
def test_if_the_reader_does_not_wait_for_the_worker_numbers_are_lost(build, handover, monkeypatch):
    sim = build(handover)
    monkeypatch.setattr(sim._block._cuda, "wait", lambda stream, address, value: None)
    assert lost(sim) > 0


class _Unordered:
    """Exports JAX's memory, if need be before it is written."""

    def __init__(self, array: jax.Array):
        self._pointer, self._shape, self._dtype = (
            array.unsafe_buffer_pointer(),
            array.shape,
            array.dtype,
        )

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, stream=None, **_):
        dtype = wp.bool if self._dtype.name == "bool" else wp.float32
        bare = wp.array(ptr=self._pointer, shape=self._shape, dtype=dtype, device="cuda:0")
        return bare.__dlpack__(stream=-1)


def lost(sim: IsaacGym) -> int:
    """Rows that a slow reader saw otherwise than the worker had shown them, or that it got otherwise
    than they were sent."""
    busy = jnp.eye(4096) * 0.1  # milliseconds on any device, and long before it is all queued
    home = sim.unpack(sim.views()).robot.joint_pos + 0.0

    @jax.jit
    def transition(views, clock, busy):
        slow = jax.lax.fori_loop(0, 20, lambda _, x: jnp.tanh(x @ x), busy)
        late = jnp.sum(slow) * 0.0  # not folded: it could be NaN
        seen = jax.lax.cond(late == 0.0, lambda v: v + 0.0, lambda v: v - 1.0, views["dof"])
        swing = 0.3 * jnp.sin(0.1 * clock + jnp.arange(float(NUM_ENVS)))[:, None]
        return home + swing + late, seen, clock + 1.0

    clock, wrong, kept = jnp.zeros(()), 0, []
    for _ in range(STEPS):
        shown = np.array(sim._block._fields["dof"].numpy())
        targets, seen, clock = transition(sim.views(), clock, busy)
        sim.step(targets)
        kept.append((shown, seen, targets, sim._block.read("control")))
    for shown, seen, targets, taken in kept:
        wrong += int(np.sum(np.asarray(seen) != shown)) + int(np.sum(np.asarray(targets) != taken))
    return wrong


@pytest.mark.parametrize("handover", HANDOVERS)
def test_the_hand_shake_is_short(build, handover):
    """Printed, not asserted: see `benchmarks`. That it is reported at all is what is tested."""
    sim = build(handover, num_envs=4096)
    targets = sim.unpack(sim.views()).robot.joint_pos + 0.0
    for _ in range(5):
        sim.step(targets)
    sim.report()()
    begun = time.perf_counter()
    for _ in range(20):
        sim.step(targets)
    handover_ms = sim.report()()["perf/handover_ms"] / 20
    whole_ms = 1e3 * (time.perf_counter() - begun) / 20
    print(f"{handover}: {1e3 * handover_ms:.0f} us of handshake in a step of {whole_ms:.1f} ms")
    assert 0.0 < handover_ms < whole_ms
