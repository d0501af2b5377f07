"""The hand-overs between host memory and JAX, and their order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim import bridge


@pytest.mark.parametrize("shape", [(1,), (3, 5), (7, 27), (64, 33)])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_aligned_zeros_are_zero_contiguous_and_aligned(shape, dtype):
    for _ in range(20):
        array = bridge.aligned_zeros(shape, dtype)
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        assert not array.any()


def test_to_jax_shares_the_memory():
    array = bridge.aligned_zeros((4, 3), np.float32)
    view = bridge.to_jax(array)
    assert view.unsafe_buffer_pointer() == array.ctypes.data
    array[2, 1] = 7.0
    assert bridge.to_jax(array)[2, 1] == 7.0


def test_to_jax_refuses_misaligned_memory():
    raw = bridge.aligned_zeros((65,), np.float32)[1:]
    with pytest.raises(ValueError, match="(?i)align|copy"):
        bridge.to_jax(raw)


def test_to_jax_refuses_strided_memory():
    with pytest.raises((ValueError, RuntimeError), match="(?i)strid|copy|layout"):
        bridge.to_jax(bridge.aligned_zeros((4, 32), np.float32)[:, ::2])


def test_to_jax_refuses_float64():
    """JAX would round it, which is a copy."""
    with pytest.raises(ValueError, match="(?i)copy|dtype|64"):
        bridge.to_jax(bridge.aligned_zeros((4, 8), np.float64))


def test_to_host_shares_the_memory_and_forbids_writing():
    array = jnp.arange(6.0).reshape(2, 3)
    host = bridge.to_host(array)
    assert host.ctypes.data == array.unsafe_buffer_pointer()
    np.testing.assert_array_equal(host, [[0, 1, 2], [3, 4, 5]])
    with pytest.raises(ValueError, match="read-only"):
        host[0, 0] = 1.0


@pytest.fixture(scope="module")
def slow_reader():
    """A compiled function that reads its view only after a long computation."""

    @jax.jit
    def read(view: jax.Array, busy: jax.Array) -> jax.Array:
        busy = jax.lax.fori_loop(0, 60, lambda _, x: jnp.tanh(x @ x), busy)
        late = jnp.sum(busy) * 0.0  # not folded: it could be NaN
        return jax.lax.cond(late == 0.0, lambda v: v + 1.0, lambda v: v - 1.0, view)

    busy = jnp.eye(600) * 0.1
    view = bridge.to_jax(bridge.aligned_zeros((64, 16), np.float32))
    read(view, busy).block_until_ready()
    return lambda view: read(view, busy)


@pytest.mark.slow
def test_memory_overwritten_after_the_wait_was_read_before(slow_reader):
    memory = bridge.aligned_zeros((64, 16), np.float32)
    for turn in range(5):
        memory[:] = turn
        host = bridge.to_host(slow_reader(bridge.to_jax(memory)))
        memory[:] = -99.0
        np.testing.assert_array_equal(host, np.full((64, 16), turn + 1.0))


@pytest.mark.slow
def test_memory_overwritten_without_the_wait_spoils_what_is_read(slow_reader):
    """Why the rule exists: if this fails, JAX has begun to copy or to wait, and the rule may go."""
    memory, spoiled = bridge.aligned_zeros((64, 16), np.float32), []
    for _ in range(3):  # a busy machine may once give the reader time to finish
        memory[:] = 0.0
        result = slow_reader(bridge.to_jax(memory))
        memory[:] = -99.0
        spoiled.append(np.all(np.asarray(result) == -98.0))
    assert any(spoiled)
