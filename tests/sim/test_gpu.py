"""The figures of a GPU, from a driver's library that is played here."""

import importlib.util
import sys
import types

import pytest

from screwpush_sim import gpu
from screwpush_sim.errors import DeviceLostError

DEVICE = types.SimpleNamespace(uuid="GPU-1234", total_memory=10_000_000, free_memory=4_000_000)


class NVMLError(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch):
    """Knows one device, which is busy three quarters of the time."""

    def handle(uuid):
        if uuid != DEVICE.uuid:
            raise NVMLError("Not Found")
        return "handle"

    played = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=handle,
        nvmlDeviceGetUtilizationRates=lambda h: {"handle": types.SimpleNamespace(gpu=75)}[h],
    )
    monkeypatch.setattr(gpu, "pynvml", played)


def test_a_device_is_asked_by_its_identity(nvml):
    assert gpu.usage(DEVICE) == {"perf/gpu_mem_mb": 6.0, "perf/gpu_util": 0.75}


def test_a_device_that_the_library_does_not_know_shows_its_memory(nvml):
    other = types.SimpleNamespace(**vars(DEVICE) | {"uuid": "GPU-5678"})
    assert gpu.usage(other) == {"perf/gpu_mem_mb": 6.0}


def test_without_the_library_memory_is_all_there_is(monkeypatch):
    monkeypatch.setattr(gpu, "pynvml", None)
    assert gpu.usage(DEVICE) == {"perf/gpu_mem_mb": 6.0}


def test_a_machine_without_the_library_can_import_the_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    spec = importlib.util.spec_from_file_location("gpu_without_nvml", gpu.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.usage(DEVICE) == {"perf/gpu_mem_mb": 6.0}


def test_a_wait_that_the_driver_refuses_is_a_lost_device():
    with pytest.raises(DeviceLostError, match="error 700.*last checkpoint"), gpu.waiting():
        raise RuntimeError("Warp CUDA error 700")


def test_other_mistakes_while_waiting_stay_what_they_are():
    with pytest.raises(TypeError, match="no device"), gpu.waiting():
        raise TypeError("no device")
