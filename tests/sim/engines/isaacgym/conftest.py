"""A worker on the stand-in, its processes, and environments in which it cannot work."""

import gc
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.engines.isaacgym.client import IsaacGym
from screwpush_sim.errors import WorkerError
from screwpush_sim.options import IsaacGymConfig

ROOT = Path(__file__).parents[4]
STANDIN = str(ROOT / "tests" / "isaacgym_standin")
LIMIT_S = 10.0
SLOW_STEP = "import time; Gym.simulate = lambda *_: time.sleep(600)"


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
        scene = make_scene(SceneConfig(num_screws=num_screws), physics="train")
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


@pytest.fixture
def break_gym(monkeypatch):
    """Replaces parts of the stand-in's `Gym` in workers that start from now on."""
    return lambda code: monkeypatch.setenv("ISAACGYM_STANDIN_PATCH", code)


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


def stepped(sim: IsaacGym, targets) -> None:
    """A step that has ended, or failed, when this returns; on a GPU `step` only queues it."""
    sim.step(targets)
    sim.snapshot()


def failure(action, pattern: str, error=WorkerError) -> str:
    """The message with which `action` fails, in time."""
    begin = time.monotonic()
    with pytest.raises(error, match=pattern) as caught:
        action()
    assert time.monotonic() - begin < LIMIT_S
    return str(caught.value)


LEARNER = """
import os, sys, time
sys.path.insert(0, {root!r})
import jax
if {pipeline!r} == "cpu":
    jax.config.update("jax_platforms", "cpu")
from screwpush_sim.errors import WorkerError
from screwpush_sim.engines.isaacgym.client import IsaacGym
from screwpush_sim.options import IsaacGymConfig
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
sim = IsaacGym(make_scene(SceneConfig()), 1, IsaacGymConfig(python=sys.executable, python_path={path!r}, pipeline={pipeline!r}))
print(sim.worker_pid, flush=True)
{then}
"""


def learner(then: str, pipeline: str = "cpu") -> tuple[subprocess.Popen, int]:
    """A learner in a process of its own that goes on with `then`, and its worker's pid."""
    code = LEARNER.format(root=str(ROOT), path=STANDIN, pipeline=pipeline, then=then)
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with child.stdout as said:
        return child, int(said.readline())


def gone_in_time(pid: int) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)
