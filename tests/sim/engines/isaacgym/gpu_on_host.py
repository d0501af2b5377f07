"""For a worker on a machine without a GPU: its device is the host, by `driver` (on the worker's path).

`install` is called through the stand-in's patch variable, when both isaacgym and torch are imported.
From then on the stand-in takes the gpu pipeline, its tensors say that they are a device's and lie
in memory of the driver, and each call whose order matters is printed to the worker's log.
"""

import ctypes
import math

import torch
from driver import Driver

import isaacgym._tensors as tensors
import isaacgym.gymtorch as gymtorch

_DRIVER = Driver()
_real_cdll, _real_as_tensor = ctypes.CDLL, torch.as_tensor


class OnDevice(tensors.Watched):
    """A tensor that calls itself a device's."""

    is_cuda = property(lambda self: True)


def install(gym, exportable):
    ctypes.CDLL = lambda name, *a, **k: (
        _DRIVER.library if name == "libcuda.so.1" else _real_cdll(name, *a, **k)
    )
    torch.cuda.is_available = lambda: True
    torch.cuda.synchronize = lambda: print("synchronize")
    torch.as_tensor = _from_address
    gym.create_sim = _on_host(gym.create_sim)
    for name in ("simulate", "fetch_results", "refresh_dof_state_tensor"):
        setattr(gym, name, _printed(name, getattr(gym, name)))
    gymtorch.wrap_tensor = lambda tensor: tensors.wrap_tensor(tensor).as_subclass(OnDevice)
    if exportable:
        tensors.torch = _Allocator()


class _Allocator:
    """`torch` for the stand-in's buffers: full ones lie in the driver's memory, after other things."""

    def __getattr__(self, name):
        return getattr(torch, name)

    def full(self, shape, value, device):
        from worker.cuda import Cuda

        count = math.prod(shape)
        flat = (ctypes.c_float * count).from_address(Cuda().allocate(4 * count + 256) + 256)
        return torch.frombuffer(flat, dtype=torch.float32).view(shape).fill_(value)


def _from_address(data, device):
    """What torch makes of a bare device address."""
    about = data.__cuda_array_interface__
    assert device == "cuda:0"
    assert about["version"] == 2
    kind = {"<f4": (torch.float32, 4), "<i4": (torch.int32, 4)}[about["typestr"]]
    address, read_only = about["data"]
    assert not read_only
    raw = (ctypes.c_ubyte * (math.prod(about["shape"]) * kind[1])).from_address(address)
    return torch.frombuffer(raw, dtype=kind[0]).view(about["shape"])


def _on_host(create):
    def make(self, *args):
        sim = create(self, *args)
        assert sim.device == "cuda:0"
        sim.device = "cpu"
        return sim

    return make


def _printed(name, call):
    def wrapped(*args):
        print(name)
        return call(*args)

    return wrapped
