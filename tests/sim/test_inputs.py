"""Where arrays must lie, without a second device: JAX's words for places are played."""

from types import SimpleNamespace
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim.errors import InputMismatchError
from screwpush_sim.inputs import Inputs


class Device:
    def __init__(self, platform: str, name: str):
        self.platform, self.name = platform, name

    def __str__(self):
        return self.name


GPU, OTHER_GPU = Device("gpu", "cuda:0"), Device("gpu", "cuda:1")
CPU, OTHER_CPU = Device("cpu", "TFRT_CPU_0"), Device("cpu", "TFRT_CPU_1")


def inputs(device: Device) -> Inputs:
    robot = SimpleNamespace(joints=range(6))
    spec = SimpleNamespace(engine="own", num_envs=2, scene=SimpleNamespace(robot=robot))
    view = SimpleNamespace(shape=(2, 5), dtype=np.dtype(np.float32), devices=lambda: {device})
    return Inputs(spec, {"qpos": view})


def array(*devices: Device, shape=(2, 6), dtype=np.float32) -> mock.Mock:
    sharding = SimpleNamespace(device_set=set(devices))
    return mock.Mock(jax.Array, shape=shape, dtype=np.dtype(dtype), sharding=sharding)


def test_what_lies_with_the_views_is_taken():
    inputs(GPU).check_control(array(GPU))
    mask = array(GPU, shape=(2,), dtype=bool)
    inputs(GPU).check_write(mask, {"qpos": array(GPU, shape=(2, 5))})


@pytest.mark.parametrize("other", [CPU, OTHER_GPU])
def test_targets_on_another_device_than_the_views_are_refused(other):
    with pytest.raises(InputMismatchError, match=f"on cuda:0, got {other}"):
        inputs(GPU).check_control(array(other))


def test_a_mask_or_a_view_on_another_device_is_refused():
    there = array(CPU, shape=(2,), dtype=bool), {"qpos": array(GPU, shape=(2, 5))}
    with pytest.raises(InputMismatchError, match="mask as bool .* on cuda:0, got TFRT_CPU_0"):
        inputs(GPU).check_write(*there)
    there = array(GPU, shape=(2,), dtype=bool), {"qpos": array(OTHER_GPU, shape=(2, 5))}
    with pytest.raises(InputMismatchError, match="'qpos' .* on cuda:0, got cuda:1"):
        inputs(GPU).check_write(*there)


def test_all_cpu_devices_share_the_hosts_memory():
    inputs(CPU).check_control(array(OTHER_CPU))
    with pytest.raises(InputMismatchError, match="on one CPU device, got cuda:0"):
        inputs(CPU).check_control(array(GPU))


@pytest.mark.parametrize("devices", [(GPU, OTHER_GPU), (CPU, OTHER_CPU)])
def test_an_array_spread_over_devices_is_refused(devices):
    with pytest.raises(InputMismatchError, match=f"got {devices[0]} and {devices[1]}"):
        inputs(devices[0]).check_control(array(*devices))


def test_no_number_of_an_array_is_read():
    gone = jnp.zeros((2, 6))
    gone.delete()
    inputs(CPU).check_control(gone)
