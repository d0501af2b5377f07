"""The block in device memory, with the host's memory as the device's (`driver`), against numpy."""

import ctypes
import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import warp as wp

from screwpush_sim import gpu
from screwpush_sim.engines.isaacgym.device_block import DeviceBlock
from screwpush_sim.engines.isaacgym.host_block import HostBlock
from screwpush_sim.engines.isaacgym.worker.block_layout import make_block_layout
from screwpush_sim.engines.isaacgym.worker.cuda import Cuda
from screwpush_sim.errors import WorkerError

from .driver import Driver

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="a GPU has a real driver")

LAYOUT = make_block_layout(num_envs=5, num_bodies=2, num_joints=6)
CONTROL_RANGE = np.float32([[-9.0] * 5 + [-0.5], [9.0] * 5 + [0.5]])
THEIRS = {"root": 1024, "dof": 512}
"""Where the worker's own tensors lie in its allocation, bytes."""


class Bench:
    """A learner with a block, and the driver and CUDA of its worker."""

    def __init__(self, patch: pytest.MonkeyPatch):
        devices = {"cuda:0": wp.get_device("cpu")}
        self.driver, self.worker_driver = Driver(), Driver()
        with patch.context() as played:
            played.setattr(ctypes, "CDLL", self.worker_driver.load)
            self.worker = Cuda()
            played.setattr(ctypes, "CDLL", self.driver.load)
            played.setattr(wp, "get_device", devices.__getitem__)
            self.block = DeviceBlock(LAYOUT, CONTROL_RANGE)

    def shared(self, name: str) -> np.ndarray:
        """A field as the worker sees it, by its place in the block."""
        if not self.worker_driver.mapped:
            self.base = self.worker.open(self.block.address["handle"])
        return at(self.base, name)

    def export(self) -> dict[str, tuple[str, int]]:
        """Tensors of the worker's own, both in one allocation."""
        self.theirs = self.worker.allocate(8192)
        return {name: self.worker.export(self.theirs + place) for name, place in THEIRS.items()}


def at(base: int, name: str, offset: int | None = None) -> np.ndarray:
    field = LAYOUT.fields[name]
    raw = (ctypes.c_ubyte * field.num_bytes).from_address(
        base + (field.offset if offset is None else offset)
    )
    return np.frombuffer(raw, field.dtype).reshape(field.shape)


@pytest.fixture
def bench(monkeypatch):
    made = Bench(monkeypatch)
    yield made
    made.block.release()
    made.block.close()
    assert not made.driver.own
    assert not made.driver.mapped


def inside(targets: np.ndarray) -> np.ndarray:
    """`targets` with the last joint's brought into its range."""
    last = np.minimum(np.maximum(targets[:, 5:], -0.5), 0.5)
    return np.concatenate([targets[:, :5], last], axis=1)


def numbers(name: str, seed: int = 0) -> np.ndarray:
    field = LAYOUT.fields[name]
    scale = 1.0 if field.dtype == "float32" else 1000.0
    return (scale * np.random.default_rng(seed).normal(size=field.shape)).astype(field.dtype)


def test_each_field_lies_where_the_worker_looks_for_it(bench):
    assert bench.block.address["device"] == bench.block.gpu == bench.worker.uuid()
    assert bench.block.fds == ()
    values = {name: numbers(name, seed) for seed, name in enumerate(LAYOUT.fields)}
    for name in LAYOUT.fields:
        np.testing.assert_array_equal(bench.shared(name), 0)
    for name, value in values.items():
        bench.block.fill(name, value)
    for name, value in values.items():
        np.testing.assert_array_equal(bench.shared(name), value)
        np.testing.assert_array_equal(bench.block.read(name), value)


def test_views_are_the_memory_that_the_worker_fills(bench):
    views = bench.block.views()
    assert list(views) == ["root", "dof"]
    for name, view in views.items():
        bench.shared(name)[:] = numbers(name)
        np.testing.assert_array_equal(view, numbers(name))
        assert view.unsafe_buffer_pointer() == bench.block.views()[name].unsafe_buffer_pointer()


def test_a_read_is_a_copy(bench):
    before = bench.block.read("root")
    bench.shared("root")[:] = 1.0
    np.testing.assert_array_equal(before, 0.0)


@pytest.mark.slow
def test_targets_and_marked_rows_arrive_and_earlier_marks_stay(bench):
    """The same calls on the block of the host, which is numpy alone, leave the same."""
    host = HostBlock(LAYOUT, CONTROL_RANGE)
    for block in (bench.block, host):
        block.put_control(jnp.asarray(numbers("control")))
        for seed, rows in enumerate(([0, 3], [3, 4])):
            new = {name: jnp.asarray(numbers(name, seed)) for name in ("root", "dof")}
            block.stage(jnp.zeros(5, bool).at[jnp.array(rows)].set(True), new)
    np.testing.assert_array_equal(bench.shared("control"), inside(numbers("control")))
    np.testing.assert_array_equal(bench.shared("count"), [3])
    np.testing.assert_array_equal(bench.shared("robots"), [0, 9, 12, 0, 0])
    np.testing.assert_array_equal(bench.shared("moved"), [1, 2, 10, 11, 13, 14, 0, 0, 0, 0])
    for name in LAYOUT.fields:
        np.testing.assert_array_equal(bench.shared(name), host.read(name), err_msg=name)
    host.close()


@pytest.mark.slow
def test_targets_end_a_round_of_marks_and_the_next_lists_the_same_rows_again(bench):
    rows_word = wp.zeros(1, dtype=wp.int32, device="cpu")
    bench.block._rows = rows_word
    new = {name: jnp.asarray(numbers(name)) for name in ("root", "dof")}
    for rows in ([4], [1, 4], []):
        for _ in range(2):
            bench.block.stage(jnp.zeros(5, bool).at[jnp.array(rows, int)].set(True), new)
        bench.block.put_control(jnp.asarray(numbers("control")))
        assert rows_word.numpy() == len(rows)
        assert bench.shared("count") == 0
        np.testing.assert_array_equal(
            bench.shared("robots")[: len(rows)], [3 * row for row in rows]
        )


@pytest.mark.parametrize("on_device", [True, False])
def test_a_target_that_is_no_number_leaves_the_last_one(bench, on_device):
    block = bench.block if on_device else HostBlock(LAYOUT, CONTROL_RANGE)
    first, second = inside(numbers("control")), numbers("control", seed=1)
    second[1, 2], second[4, 5], second[3] = np.nan, np.inf, np.nan
    block.put_control(jnp.asarray(first))
    block.put_control(jnp.asarray(second))
    wanted = inside(second)
    wanted[1, 2], wanted[3] = first[1, 2], first[3]
    np.testing.assert_array_equal(block.read("control"), wanted)


@pytest.mark.slow
def test_what_was_lent_lives_until_a_reader_of_later_views_may_run(bench, monkeypatch):
    """The views after a step are read after it; whoever asks again has read them.

    What is lent after that step waits for the next one, however often views are asked for.
    """
    kept = {name: jnp.asarray(numbers(name)) for name in ("root", "dof")}
    imports, take = [], wp.from_dlpack

    def watched(array):
        taken = take(array)
        imports.append(weakref.ref(taken))
        return taken

    monkeypatch.setattr(wp, "from_dlpack", watched)

    def lend(action, array, *more) -> weakref.ref:
        first = len(imports)
        action(array, *more)
        array.delete()  # its memory is the import's until that is gone
        return imports[first]

    mask = lend(bench.block.stage, jnp.ones(5, bool), kept)
    targets = lend(bench.block.put_control, jnp.asarray(numbers("control")))
    late = lend(bench.block.stage, jnp.zeros(5, bool), kept)

    def alive() -> list[bool]:
        bench.block.views()
        gc.collect()
        return [array() is not None for array in (mask, targets, late)]

    assert [alive() for _ in range(3)] == [[True] * 3, [False, False, True], [False, False, True]]
    bench.block.put_control(jnp.asarray(numbers("control")))
    assert [alive() for _ in range(2)] == [[False, False, True], [False] * 3]


@pytest.mark.parametrize(("wanted", "reason"), [("auto", "auto: Isaac"), ("direct", "as asked")])
def test_the_workers_own_tensors_are_read_where_they_lie(bench, wanted, reason):
    packed, why = bench.block.negotiate({"exports": bench.export()}, wanted)
    assert not packed
    assert why.startswith(reason)
    for name, offset in THEIRS.items():
        at(bench.theirs, name, offset)[:] = numbers(name)
        np.testing.assert_array_equal(bench.block.views()[name], numbers(name))
    bench.block.put_control(jnp.asarray(numbers("control")))
    np.testing.assert_array_equal(bench.shared("control"), inside(numbers("control")))


def test_a_released_block_is_its_own_again(bench):
    bench.block.negotiate({"exports": bench.export()}, "direct")
    assert len(bench.driver.mapped) == 1
    bench.block.release()
    assert not bench.driver.mapped
    bench.shared("dof")[:] = 3.0
    np.testing.assert_array_equal(bench.block.views()["dof"], 3.0)


def test_as_asked_the_arena_maps_nothing(bench):
    assert bench.block.negotiate({"exports": bench.export()}, "arena") == (True, "as asked")
    assert not bench.driver.mapped


BROKEN = {
    "not exported": lambda exports: {"export_error": "cuMemGetAddressRange_v2: refused"},
    "not to be opened": lambda exports: {"exports": exports | {"dof": ("00" * 64, 0)}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_tensors_that_cannot_be_had_are_packed_or_an_error(bench, name):
    answer = BROKEN[name](bench.export())
    said = "cuMemGetAddressRange_v2: refused" if "export_error" in answer else "cuIpcOpenMemHandle"
    packed, why = bench.block.negotiate(answer, "auto")
    assert packed
    assert said in why
    with pytest.raises(WorkerError, match=f"handover direct.*{said}.*valid: arena"):
        bench.block.negotiate(answer, "direct")
    assert not bench.driver.mapped, "what could be opened was closed again"
    bench.shared("root")[:] = 2.0
    np.testing.assert_array_equal(bench.block.views()["root"], 2.0)


def test_closing_twice_frees_once(bench):
    bench.block.close()
    assert not bench.driver.own
    bench.block.close()


def test_the_figures_are_of_its_own_device(bench, monkeypatch):
    monkeypatch.setattr(gpu, "usage", lambda device: {"asked": device})
    assert bench.block.usage() == {"asked": bench.block._device}
