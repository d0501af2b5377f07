"""Scenes whose future one can work out by hand: the toy engine and task of `tests/outside`.

The bar goes up by 0.05 rad a control step, without lag, from a place that the start state says; the
mark at 1 rad is reached within 0.05 rad.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax import checkpoint_folder
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.build import World
from screwpush_jax.env import Env
from screwpush_jax.errors import CheckpointError
from screwpush_jax.tasks.drawing import Drawing, Line
from screwpush_jax.viewer.checkpoints import Checkpoints
from screwpush_jax.viewer.session import Session
from screwpush_jax.viewer.stage import Stage

STEP_RAD, HORIZON = 0.05, 12
PLACES = (0.5, 0.72, 0.1)
"""Where the bars begin: the first two reach the mark in time."""


@pytest.fixture(scope="session")
def toys():
    path = Path(__file__).parent.parent / "outside" / "toys.py"
    spec = importlib.util.spec_from_file_location("viewer_toys", path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["viewer_toys"] = module  # dataclasses ask for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules["viewer_toys"]


def starts_at(places):
    return {"place": jnp.asarray(places, jnp.float32)[:, None]}


@pytest.fixture(scope="session")
def stage_of(toys):
    """`stage_of(task's class)`: scenes that all can begin at the place that the fixture says."""

    def make(kind, place, count=1):
        task = kind(toys.MarkOptions(step_rad=STEP_RAD, horizon=HORIZON))
        sim = toys.RailEngine(task.scene(), count, toys.RailOptions())
        algorithm = PPO(PPOConfig(hidden_sizes=(4,)), task.obs_sizes, task.action_size)
        world = World(sim, Env(task, sim.unpack, sim.pack), algorithm)
        return Stage(world, starts_at([place]), seed=0), algorithm.init(jax.random.key(0)).policy

    return make


@pytest.fixture
def run(tmp_path):
    """A run's folder, whose checkpoints are put there by hand and hold nothing."""
    run_dir = tmp_path / "a-run"

    def put(step):
        folder = run_dir / "checkpoints" / str(step) / "meta"
        folder.mkdir(parents=True)
        meta = dict.fromkeys(("counters", "engine", "task", "obs_layout", "t"), 0)
        (folder / "metadata").write_text(json.dumps(meta | {"format": 3, "config": {}}))

    put(100)
    return SimpleNamespace(path=run_dir, put=put)


@pytest.fixture
def session(stage_of, toys, run):
    """`session(place, count)`: the toy's baseline `up` acts."""

    def make(place=PLACES[0], count=1, kind=None):
        stage, policy = stage_of(kind or toys.MarkTask, place, count)
        loads = []

        def load(found):
            if not (found.run_dir / "checkpoints" / str(found.step)).exists():
                raise CheckpointError(f"checkpoint {found.step} cannot be restored: gone")
            loads.append(found.step)
            return policy

        checkpoints = Checkpoints(checkpoint_folder.find_in(run.path, best=False), load)
        made = Session(stage, checkpoints, "up")
        made.loads = loads
        return made

    return make


@pytest.fixture
def drawing_kind(toys):
    """The toy task, drawing: a line from the axis to where the bar points."""

    class Drawn(toys.MarkTask):
        def draw(self, memory, derived):
            joints = derived.state.robot.joint_pos
            assert isinstance(joints, np.ndarray)
            assert isinstance(memory.target, np.ndarray)
            ends = [np.array([np.sin(q), np.cos(q), 1.0]) for q in joints[:, 0]]
            return [Drawing((Line(np.zeros(3), end, text=f"{end[0]:.3f}"),)) for end in ends]

    return Drawn
