"""The hand-overs between a GPU engine and JAX, and their order, on a CUDA device.

Races are provoked: the producer is slow on purpose, and memory is poisoned right after it has been
handed over. Each rule also has a test in which it is broken, to show that the others can fail.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim import bridge
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.options import MujocoWarpConfig

pytestmark = pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs a CUDA device")
wp = pytest.importorskip("warp")

SHAPE = (512, 32)
STEPS = 1000
POISON = -99.0
SPIN = 100_000


@pytest.fixture(scope="module")
def kernels():
    """A producer and a reader that both take milliseconds, far longer than a launch."""

    @wp.kernel
    def slow_fill(out: wp.array2d(dtype=float), value: float, spin: int):
        row, column = wp.tid()
        busy = float(0.0)  # noqa: UP018
        for _ in range(spin):
            busy = wp.sin(busy + 1.0)
        out[row, column] = value + 0.0 * busy

    busy, slow_read = jnp.eye(1024) * 0.1, jax.jit(slow_copy)
    return slow_fill, lambda view: slow_read(view, busy)


def slow_copy(view: jax.Array, busy: jax.Array) -> jax.Array:
    """`view + 1`, read only after a long computation."""
    busy = jax.lax.fori_loop(0, 100, lambda _, x: jnp.tanh(x @ x), busy)
    late = jnp.sum(busy) * 0.0  # not folded: it could be NaN
    return jax.lax.cond(late == 0.0, lambda v: v + 1.0, lambda v: v - 1.0, view)


class Unordered:
    """Exports memory and tells no stream to wait for it."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, *, stream=None, **_):
        return self._array.__dlpack__(stream=-1)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def unordered_import(array: jax.Array):
    """JAX's memory by its bare address: nothing waits."""
    pointer = array.unsafe_buffer_pointer()
    return wp.array(ptr=pointer, shape=array.shape, dtype=float, device="cuda:0", copy=False)


def mismatches(kernels, export, borrow) -> int:
    """Wrong numbers in `STEPS` turns of produce, hand over, read, hand back, poison."""
    slow_fill, slow_read = kernels
    memory = wp.zeros(SHAPE, dtype=float, device="cuda:0")
    wrong, kept = [], []
    for turn in range(STEPS):
        wp.launch(slow_fill, SHAPE, inputs=[memory, float(turn), SPIN], device="cuda:0")
        answer = slow_read(bridge.to_jax(export(memory)))
        echo = wp.clone(borrow(bridge.lend(answer)))
        wp.launch(slow_fill, SHAPE, inputs=[memory, POISON, 0], device="cuda:0")
        wrong += [jnp.sum(answer != turn + 1.0), jnp.sum(bridge.to_jax(echo) != turn + 1.0)]
        kept.append((answer, echo))  # nothing is freed while a stream may still use it
    return int(sum(wrong))


def test_an_ordered_hand_over_loses_nothing(kernels):
    assert mismatches(kernels, lambda array: array, wp.from_dlpack) == 0


def test_a_view_without_the_producers_order_is_spoiled(kernels):
    assert mismatches(kernels, Unordered, wp.from_dlpack) > 0


def test_an_answer_taken_without_waiting_is_spoiled(kernels):
    assert mismatches(kernels, lambda array: array, unordered_import) > 0


def test_both_ways_share_the_memory():
    memory = wp.zeros(SHAPE, dtype=float, device="cuda:0")
    assert bridge.to_jax(memory).unsafe_buffer_pointer() == memory.ptr
    array = jnp.ones(SHAPE)
    assert wp.from_dlpack(bridge.lend(array)).ptr == array.unsafe_buffer_pointer()


@pytest.fixture
def sim():
    from screwpush_sim.engines.mujoco_warp import MujocoWarp

    made = MujocoWarp(make_scene(SceneConfig()), 256, MujocoWarpConfig())
    yield made
    made.close()


def test_the_simulator_and_its_reader_agree_on_a_thousand_steps(sim):
    """What a slow transition read is what physics wrote; what physics took is what it was given."""
    assert lost_hand_overs(sim) == 0


def test_the_simulators_hand_overs_are_lost_without_order(sim, monkeypatch):
    to_jax, import_ordered = bridge.to_jax, wp.from_dlpack
    monkeypatch.setattr(bridge, "to_jax", lambda array: to_jax(Unordered(array)))

    def borrow(array):
        return unordered_import(array) if array.ndim == 2 else import_ordered(array)

    monkeypatch.setattr(wp, "from_dlpack", borrow)
    assert lost_hand_overs(sim) > 0


def test_what_was_lent_may_be_deleted_at_once(sim, kernels):
    """Its memory is not JAX's again before the simulator, which is busy, has read it."""
    slow_fill, _ = kernels
    memory = wp.zeros(SHAPE, dtype=float, device="cuda:0")
    for turn in range(20):
        fresh = jax.tree.map(lambda view: view + 0.0, sim.views())
        fresh["qpos"] = fresh["qpos"].at[:, 0].set(0.01 * turn)
        jax.block_until_ready(fresh)
        wp.launch(slow_fill, SHAPE, inputs=[memory, 0.0, SPIN], device="cuda:0")
        sim.write(jnp.ones(256, bool), fresh)
        shapes = [view.shape for view in fresh.values()]
        for view in fresh.values():
            view.delete()
        spoil = [jnp.full(shape, POISON) for shape in shapes for _ in range(4)]
        jax.block_until_ready(spoil)
        np.testing.assert_array_equal(
            np.asarray(sim.views()["qpos"][:, 0]), np.float32(0.01 * turn)
        )


def lost_hand_overs(sim) -> int:
    """Numbers that differ between what one side wrote and what the other read, in a loop like training's."""
    start = jax.tree.map(jnp.array, sim.views())
    home = start["qpos"][:, :6]
    busy = jnp.eye(1024) * 0.1

    @jax.jit
    def transition(views, clock, busy):
        seen = slow_copy(views["qpos"], busy) - 1.0
        swing = 0.3 * jnp.sin(0.1 * clock + jnp.arange(256.0))[:, None] * jnp.ones((1, 6))
        mask = (clock + jnp.arange(256.0)) % 97.0 == 0.0
        targets = home + swing + 0.1 * (seen[:, :6] - home)
        return targets, mask, jax.tree.map(lambda leaf: leaf + 0.0, start), clock + 1.0, seen

    data, clock, wrong, kept = sim._data, jnp.zeros(()), [], []
    for _ in range(STEPS):
        written = wp.clone(data.qpos)
        targets, mask, fresh, clock, seen = transition(sim.views(), clock, busy)
        sim.write(mask, fresh)
        sim.step(targets)
        taken = wp.clone(data.ctrl)
        kept.append((written, taken, targets, seen, fresh, mask))
    wp.synchronize()
    for written, taken, targets, seen, *_ in kept:
        # + 1 - 1 rounds in the last place
        wrong.append(np.sum(np.abs(np.asarray(seen) - written.numpy()) > 1e-6))
        wrong.append(np.sum(np.asarray(targets) != taken.numpy()))
    return int(np.sum(wrong))
