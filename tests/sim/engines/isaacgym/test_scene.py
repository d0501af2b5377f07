"""What the worker does when Isaac Gym refuses a call, and with its window: in one process for all."""

import json
import shutil
import subprocess
import sys

import pytest

from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.engines.isaacgym import client
from screwpush_sim.engines.isaacgym.interpreter import worker_environment

from .conftest import ROOT, STANDIN, config

NUM_SCREWS = 2
REFUSALS = {
    "create_sim": ("lambda *_: None", "create_sim failed"),
    "load_asset": ("lambda *_: None", "load_asset failed"),
    "begin_aggregate": ("lambda *_: False", "begin_aggregate failed"),
    "set_actor_rigid_shape_properties": (
        "lambda *_: False",
        "set_actor_rigid_shape_properties failed",
    ),
    "get_actor_index": (
        "lambda env, handle, domain: handle",
        "numbers the actors of the scenes [[0, 1, 2], [0, 1, 2]]",
    ),
    "create_viewer": ("lambda *_: None", "create_viewer failed; set isaacgym.viewer to false"),
    "prepare_sim": ("lambda *_: False", "prepare_sim failed"),
    "get_actor_dof_properties": (
        "lambda *_: numpy.zeros(6, [('driveMode', 'i4'), ('stiffness', 'f4')])",
        "lack the field 'velocity'",
    ),
    "get_actor_rigid_shape_properties": ("lambda *_: []", "made 0 shapes of ['base', 'link1',"),
}
CODE = """
import json, os, sys, types
from isaacgym import gymapi
import numpy
from worker import __main__ as main, block_layout, memory
from worker.scene import GymRefusedError, build, sim_params
from worker.stepper import Stepper
from worker.handshake import Request

setup, refusals = json.loads(sys.stdin.read())
said, calls = {}, []
gym = gymapi.acquire_gym()
for name, answer in refusals.items():
    setattr(gym, name, eval(answer))
    try:
        build(setup)
    except GymRefusedError as error:
        said[name] = str(error)
    delattr(gym, name)
    gym._sim = None

for name in ("step_graphics", "draw_viewer", "sync_frame_time", "destroy_viewer", "destroy_sim"):
    real = getattr(gym, name)
    setattr(gym, name, lambda *args, n=name, real=real: (calls.append(n), real(*args))[1])
made = block_layout.block_layout_of(setup["scene"], setup["num_envs"])
fd = os.memfd_create("block")
os.ftruncate(fd, made.size)
windows, step = [], Request("step", True, 0)
for closed_by in ("user", "end"):
    gym._sim, calls[:] = None, []
    stage = build(setup)
    stepper = Stepper(stage, memory.map_host(fd, made), setup)
    stepper.step(step)
    stage.viewer.closed = closed_by == "user"
    stepper.step(step)
    stepper.step(step)
    stepper.close()
    windows.append([*calls])

gym._sim = None
stage = build(setup)
setup["gym"]["pipeline"] = "gpu"
try:
    Stepper(stage, memory.map_host(fd, made), setup)
except GymRefusedError as error:
    said["wrap_tensor"] = str(error)
main.Cuda = lambda: types.SimpleNamespace(uuid=lambda: "GPU-1")
try:
    main._map_block({**setup, "block": {"device": "GPU-2", "handle": ""}})
except main.CudaError as error:
    said["cuIpcOpenMemHandle"] = str(error)
counts = []
for setup["scene"]["physics"]["solver_iterations"] in (0, 77):
    counts.append(sim_params(setup).physx.num_position_iterations)
shapes = [shape.friction for shape in gym.get_actor_rigid_shape_properties(stage.first, 0)]
print(json.dumps([said, windows, counts, stage.sim.graphics, shapes]))
"""


class OverheardError(Exception):
    """Carries the learner's first message."""


@pytest.fixture(scope="module")
def message(tmp_path_factory):
    """What a learner tells a worker about two scenes, with a copy of the files that it names."""
    folder = tmp_path_factory.mktemp("message") / "assets"

    class Deaf:
        def __init__(self, *args):
            pass

        def ask(self, message, *args):
            shutil.copytree(message["folder"], folder)
            raise OverheardError(message | {"folder": str(folder)})

        def close(self):
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "Worker", Deaf)
        with pytest.raises(OverheardError) as caught:
            client.IsaacGym(
                make_scene(SceneConfig(num_screws=NUM_SCREWS)),
                2,
                config(viewer=True, graphics_device=3),
            )
    return caught.value.args[0]


@pytest.fixture(scope="module")
def result(message):
    """Errors by the call that was refused, the calls on the window of two runs, and the solver's
    iterations by the option and by the scene."""
    answers = {name: answer for name, (answer, _) in REFUSALS.items()}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT / "sim" / "engines" / "isaacgym",
        env=worker_environment(sys.executable, STANDIN, ""),
        input=json.dumps([message, answers]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSALS)
def test_a_call_that_is_refused_ends_the_set_up_and_is_named(result, name):
    assert REFUSALS[name][1] in result[0].get(name, "nothing was refused")


def test_a_gym_that_fell_back_to_the_cpu_without_a_word_is_refused(result):
    said = result[0].get("wrap_tensor")
    assert said == "Isaac Gym's tensors are on cpu, the pipeline asked for is gpu"


def test_a_block_on_another_gpu_is_refused_before_it_is_opened(result):
    said = result[0].get("cuIpcOpenMemHandle")
    assert said == "the worker's GPU is GPU-1, the learner's GPU-2"


def test_a_window_is_drawn_by_the_graphics_device_that_is_asked_for(result):
    assert result[3] == 3


def test_the_mean_of_wrist_and_ground_is_the_larger_of_their_frictions(result):
    """PhysX takes the mean; the rod meets other things, too, and has the usual friction."""
    ground = SceneConfig().friction
    means = [(friction + ground) / 2 for friction in result[4]]
    assert means == pytest.approx([elfin15.WRIST_FRICTION, ground])


FRAME = ["step_graphics", "draw_viewer", "sync_frame_time"]


def test_a_window_that_is_closed_leaves_the_physics_alone(result):
    """It is drawn once a step until then, and destroyed once."""
    assert result[1][0] == [*FRAME, "destroy_viewer", "destroy_sim"]


def test_a_window_that_stays_is_drawn_each_step_and_destroyed_before_the_simulation(result):
    assert result[1][1] == [*FRAME * 3, "destroy_viewer", "destroy_sim"]


def test_the_scenes_bound_on_iterations_takes_the_place_of_the_option(result):
    assert result[2] == [config().position_iterations, 77]
