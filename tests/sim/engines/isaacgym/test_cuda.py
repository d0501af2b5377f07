"""The calls of the CUDA driver, against one that is played on the host (`driver`)."""

import ctypes
import mmap
import threading
import uuid

import pytest

from screwpush_sim.engines.isaacgym.worker.cuda import Cuda, CudaError

from .driver import Driver

SIZE = 4096


@pytest.fixture
def machine(monkeypatch):
    """`() -> (Driver, Cuda)` of one more process on the same machine."""

    def process(ordinal: int = 0) -> tuple[Driver, Cuda]:
        driver = Driver()
        with monkeypatch.context() as patch:
            patch.setattr(ctypes, "CDLL", driver.load)
            return driver, Cuda(ordinal)

    return process


def test_new_memory_is_zero_to_its_end_and_not_beyond_what_was_asked(machine):
    driver, cuda = machine()
    base = cuda.allocate(SIZE)
    assert driver.own[base].size == SIZE
    assert ctypes.string_at(base, SIZE) == bytes(SIZE)


def test_memory_is_freed_once(machine):
    driver, cuda = machine()
    cuda.free(cuda.allocate(SIZE))
    assert not driver.own
    with pytest.raises(CudaError, match=r"cuMemFree_v2: invalid argument \(error 1\)"):
        cuda.free(0)


def test_another_process_reads_what_was_written_at_the_exports_offset(machine):
    (_, learner), (_, worker) = machine(), machine()
    base = learner.allocate(SIZE)
    ctypes.memmove(base + 768, b"screws", 6)
    handle, offset = learner.export(base + 768)
    there = worker.open(handle)
    assert there != base
    assert ctypes.string_at(there + offset, 6) == b"screws"
    ctypes.memmove(there + offset, b"pushed", 6)
    assert ctypes.string_at(base + 768, 6) == b"pushed"


def test_what_was_opened_can_be_opened_again_after_it_was_closed(machine):
    (_, learner), (driver, worker) = machine(), machine()
    handle = learner.export(learner.allocate(SIZE)).handle
    worker.close(worker.open(handle))
    assert not driver.mapped
    base = worker.open(handle)
    # the last code has no text here, as a code that is newer than the driver
    with pytest.raises(CudaError, match=r"cuIpcOpenMemHandle_v2: unknown \(error 208\)"):
        worker.open(handle)
    worker.close(base)
    with pytest.raises(CudaError, match="cuIpcCloseMemHandle"):
        worker.close(base)


def test_memory_that_cannot_be_shared_is_refused_by_name(machine):
    driver, cuda = machine()
    base = cuda.allocate(SIZE)
    driver.pool.add(base)
    with pytest.raises(CudaError, match="cuIpcGetMemHandle: invalid argument"):
        cuda.export(base + 256)
    with pytest.raises(CudaError, match="cuMemGetAddressRange_v2: invalid argument"):
        cuda.export(base + SIZE)


def test_each_call_has_its_own_context_whichever_was_left_current(machine, page):
    (driver, cuda), (_, other) = machine(), machine()
    shared = other.export(other.allocate(SIZE)).handle

    def call(action, *args):
        driver.current = 0x1234  # another library's
        return action(*args)

    base = call(cuda.allocate, SIZE)
    call(cuda.export, base)
    call(cuda.close, call(cuda.open, shared))
    call(cuda.synchronize)
    there = call(cuda.register, page, SIZE)
    call(cuda.write, driver.STREAM, there, 1)
    call(cuda.wait, driver.STREAM, there, 1)
    call(cuda.unregister, page)
    call(cuda.free, base)


@pytest.fixture
def page():
    """Whole pages of the host's memory, by their address."""
    memory = mmap.mmap(-1, SIZE)
    yield ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memory.close()


def test_a_stream_writes_and_waits_for_words_of_the_hosts_memory(machine, page):
    driver, cuda = machine()
    there = cuda.register(page, SIZE)
    first, last = (ctypes.c_uint32.from_address(there + byte) for byte in (0, SIZE - 4))
    for value in (1, 0xFFFFFFFF, 0):
        cuda.write(driver.STREAM, there + SIZE - 4, value)
        assert (first.value, last.value) == (0, value)
    first.value = 7
    for reached in (7, 6, 0xFFFFFFF0):  # the last is behind it, modulo 2^32
        cuda.wait(driver.STREAM, there, reached)
    threading.Timer(0.1, lambda: setattr(first, "value", 9)).start()
    cuda.wait(driver.STREAM, there, 8)
    assert first.value == 9


def test_memory_that_is_not_registered_any_more_is_refused(machine, page):
    driver, cuda = machine()
    there = cuda.register(page, SIZE)
    cuda.unregister(page)
    assert not driver.registered
    with pytest.raises(CudaError, match="cuStreamWriteValue32_v2: invalid argument"):
        cuda.write(driver.STREAM, there, 1)
    with pytest.raises(CudaError, match="cuStreamWaitValue32_v2: invalid argument"):
        cuda.wait(driver.STREAM, there, 0)
    with pytest.raises(CudaError, match="cuMemHostUnregister"):
        cuda.unregister(page)


def test_a_device_has_the_name_that_its_bytes_spell(machine):
    driver, cuda = machine()
    assert cuda.uuid() == f"GPU-{uuid.UUID(bytes=driver.raw_uuid)}"


@pytest.mark.parametrize(("parts", "number"), [((7, 5), 75), ((9, 0), 90), ((12, 1), 121)])
def test_an_architecture_is_one_number(machine, parts, number):
    driver, cuda = machine()
    driver.capability = parts
    assert cuda.compute_capability() == number


def test_whether_processes_share_the_device_by_mps_is_read_where_the_driver_tells(machine):
    driver, cuda = machine()
    assert not cuda.mps()
    driver.mps = 1
    assert cuda.mps()
    driver.mps = None
    with pytest.raises(CudaError, match="invalid argument"):
        cuda.mps()


@pytest.mark.parametrize(("number", "text"), [(12040, "12.4"), (11080, "11.8"), (13000, "13.0")])
def test_the_drivers_version_is_read_as_nvidia_writes_it(machine, number, text):
    driver, cuda = machine()
    driver.driver_version = number
    assert cuda.driver_version() == text


def test_a_device_that_is_not_there_is_an_error(machine):
    with pytest.raises(CudaError, match=r"cuDeviceGet: invalid device ordinal \(error 101\)"):
        machine(ordinal=2)
