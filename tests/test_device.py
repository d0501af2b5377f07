"""The machine: JAX's own variables, a cache that stays small, a device that is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from screwpush_jax.device import prune

ROOT = str(Path(__file__).parent.parent)
USE = """
import sys, jax
from screwpush_jax import cli, device
from screwpush_jax.config import config_type
from screwpush_sim import bridge
import dataclasses
def main(argv):
    print(device.use_device(dataclasses.replace(config_type()(), compile_cache="", device=argv[0])))
    key = jax.random.key(0)
    print(bridge.device().platform, key.dtype, (jax.numpy.ones(3) * 0.5 + jax.numpy.int32(1)).dtype)
    return 0
cli.run(main)
"""


def use(device="auto", **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    return subprocess.run(
        [sys.executable, "-c", USE, device],
        cwd=ROOT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.slow
def test_what_the_environment_asks_of_jax_is_not_followed_where_training_needs_another():
    wild = {
        "JAX_ENABLE_X64": "1",
        "JAX_DEFAULT_PRNG_IMPL": "rbg",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
        "JAX_DISABLE_JIT": "1",
        "JAX_DEBUG_NANS": "1",
        "JAX_TRANSFER_GUARD": "disallow",
    }
    result = use("cpu", **wild)
    assert result.returncode == 0, result.stderr
    *told, place, last = result.stdout.splitlines()
    assert {line.split("=")[0] for line in told} == set(wild)
    assert (place, last) == ("cpu", "cpu key<fry> float32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "variables", "hint"),
    [
        ("auto", {"JAX_PLATFORMS": "nowhere"}, "JAX_PLATFORMS is 'nowhere'"),
        ("gpu", {"JAX_PLATFORMS": "cpu"}, "JAX_PLATFORMS is 'cpu'"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(device, variables, hint):
    result = use(device, **variables)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    (line,) = [text for text in result.stderr.splitlines() if text.startswith("error: ")]
    assert hint in line
    assert "valid: " in line


@pytest.mark.slow
def test_of_two_devices_one_is_used_and_said():
    result = use(XLA_FLAGS="--xla_force_host_platform_device_count=2", JAX_PLATFORMS="cpu")
    assert result.stdout.splitlines()[0] == "cpu 0 of 2: a process uses one"


def test_the_oldest_make_room(tmp_path):
    for age in range(5):
        path = tmp_path / f"{age}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "folder").mkdir()
    prune(tmp_path, 250)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0-cache", "1-cache", "folder"]
    prune(tmp_path, 250)
    assert len(list(tmp_path.iterdir())) == 3
