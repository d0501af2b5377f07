"""How busy and how full a GPU is, all processes on it counted; and whether it is still there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from screwpush_sim.clock import Report
from screwpush_sim.errors import DeviceLostError

try:
    import pynvml
except ImportError:  # it comes with the extras for CUDA
    pynvml = None


class Device(Protocol):
    """What is asked of a Warp device."""

    @property
    def uuid(self) -> str: ...
    @property
    def total_memory(self) -> int: ...
    @property
    def free_memory(self) -> int: ...


def usage(device: Device) -> Report:
    """`perf/gpu_mem_mb`, and where NVML is there `perf/gpu_util`.

    The latter is the share of the driver's last sample period (a sixth of a second to a second) in
    which a kernel ran.
    """
    report = {"perf/gpu_mem_mb": (device.total_memory - device.free_memory) / 1e6}
    if pynvml is not None:
        try:
            pynvml.nvmlInit()  # counts its calls and is cheap when it was made before
            handle = pynvml.nvmlDeviceGetHandleByUUID(device.uuid)
            percent = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
            report["perf/gpu_util"] = percent / 100
        except pynvml.NVMLError:  # a container without it, or a part of a device
            pass
    return report


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Around a call of Warp's that waits for the device.

    Raises:
      DeviceLostError: it waits in vain: no call to the device succeeds any more in this process.
    """
    try:
        yield
    except RuntimeError as error:
        raise DeviceLostError(
            f"this process cannot use its GPU any more ({error}); go on from the last checkpoint in"
            " a new one"
        ) from None


def count() -> int:
    """How many GPUs this machine shows, without starting CUDA; 0 where the driver does not say."""
    if pynvml is not None:
        try:
            pynvml.nvmlInit()
            return pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError:
            return 0
    folder = Path("/proc/driver/nvidia/gpus")
    return len(list(folder.iterdir())) if folder.is_dir() else 0
