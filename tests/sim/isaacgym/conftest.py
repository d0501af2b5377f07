"""A worker on the stand-in, its processes, and environments in which it cannot work."""

import gc
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.isaacgym.client import IsaacGym
from sim.options import IsaacGymConfig
from sim.scene import SceneConfig

ROOT = Path(__file__).parent.parent.parent.parent
STANDIN = str(ROOT / "tests" / "isaacgym_standin")


def config(**changes) -> IsaacGymConfig:
    """The stand-in, with short limits; on the CPU unless asked otherwise."""
    if changes.get("pipeline", "cpu") == "cpu" and jax.default_backend() != "cpu":
        pytest.skip("JAX computes on a GPU: test_device.py is for it")
    options = {
        "python": sys.executable,
        "python_path": STANDIN,
        "pipeline": "cpu",
        "start_timeout_s": 60.0,
        "step_timeout_s": 20.0,
    }
    return IsaacGymConfig(**(options | changes))


@pytest.fixture
def build():
    """`(num_envs, **options) -> IsaacGym`; all are closed afterwards."""
    made = []

    def make(num_envs=2, num_screws=3, **changes) -> IsaacGym:
        scene = SceneConfig(physics_dt_s=0.01, decimation=5, num_screws=num_screws)
        made.append(IsaacGym(scene, num_envs, config(**changes)))
        return made[-1]

    yield make
    for sim in made:
        sim.close()
    made.clear()
    gc.collect()


@pytest.fixture
def targets():
    """The arm's home as joint targets of two scenes."""
    return jnp.tile(jnp.array([0.0, 0.8236, -1.9322, 0.0, -0.3858, 0.0]), (2, 1))


@pytest.fixture
def site(tmp_path):
    """`(**files) -> folder` for the worker's path: text by module name, the stand-in behind it."""

    def write(**files: str) -> str:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return f"{tmp_path}:{STANDIN}"

    return write


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def shared_maps(pid: str | int = "self") -> int:
    """Mappings of the shared block in a process."""
    return Path(f"/proc/{pid}/maps").read_text().count("memfd:screwpush-isaacgym")


def host(sim: IsaacGym):
    """The state that the simulator shows, as numpy arrays of its own."""
    return jax.tree.map(np.array, sim.unpack(sim.views()))
