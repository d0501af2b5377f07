"""The stand-in is strict: what the real package forbids or leaves undefined raises.

Each case runs in a process of its own, because there is one Gym in a process and the order of
imports is part of the rules.
"""

import os
import subprocess
import sys
import textwrap

import pytest

from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.engines.isaacgym.worker_setup import make_assets

from .conftest import STANDIN

pytestmark = pytest.mark.slow

SCENE = """
import isaacgym
from isaacgym import gymapi, gymtorch
import torch
gym = gymapi.acquire_gym()
params = gymapi.SimParams()
params.up_axis = gymapi.UP_AXIS_Z
params.gravity = gymapi.Vec3(0.0, 0.0, -9.81)
sim = gym.create_sim(0, -1, gymapi.SIM_PHYSX, params)
plane = gymapi.PlaneParams()
plane.normal = gymapi.Vec3(0.0, 0.0, 1.0)
gym.add_ground(sim, plane)
fixed = gymapi.AssetOptions()
fixed.fix_base_link = True
arm = gym.load_asset(sim, FOLDER, "robot.urdf", fixed)
screw = gym.load_asset(sim, FOLDER, "group_screws.urdf", gymapi.AssetOptions())
up = gymapi.Transform(gymapi.Vec3(0.5, 0.0, 0.5), gymapi.Quat(0.0, 0.0, 0.0, 1.0))
for group in range(2):
    env = gym.create_env(sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    handle = gym.create_actor(env, arm, gymapi.Transform(), "arm", group, 0, 0)
    props = gym.get_actor_dof_properties(env, handle)
    props["driveMode"][:] = 1
    gym.set_actor_dof_properties(env, handle, props)
    gym.create_actor(env, screw, up, "screw", group, 0, 0)
"""
PREPARED = """
assert gym.prepare_sim(sim)
root = gymtorch.wrap_tensor(gym.acquire_actor_root_state_tensor(sim))
dof = gymtorch.wrap_tensor(gym.acquire_dof_state_tensor(sim))
def ids(*numbers, dtype=torch.int32):
    return torch.tensor(numbers, dtype=dtype)
def put_root(indices, count=None):
    gym.set_actor_root_state_tensor_indexed(sim, gymtorch.unwrap_tensor(root),
        gymtorch.unwrap_tensor(indices), len(indices) if count is None else count)
def put_dof(indices):
    gym.set_dof_state_tensor_indexed(sim, gymtorch.unwrap_tensor(dof),
        gymtorch.unwrap_tensor(indices), len(indices))
def refresh():
    gym.refresh_actor_root_state_tensor(sim)
    gym.refresh_dof_state_tensor(sim)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`(code) -> CompletedProcess` of the scene above followed by `code`."""
    folder = tmp_path_factory.mktemp("assets")
    for name, text in make_assets(make_scene(SceneConfig())).items():
        (folder / name).write_text(text)

    def execute(code: str, path: str | None = None):
        text = f"FOLDER = {str(folder)!r}\n{code}"
        return subprocess.run(
            [sys.executable, "-c", text],
            env={"PYTHONPATH": STANDIN, "PATH": os.environ["PATH"] if path is None else path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return execute


FORBIDDEN = {
    "read before refresh": ("PREP", "print(root.sum())", "before its first refresh"),
    "acquired before prepare": ("SCENE", "gym.acquire_dof_state_tensor(sim)", "prepare_sim comes"),
    "simulated before prepare": ("SCENE", "gym.simulate(sim)", "prepare_sim comes"),
    "actor after prepare": (
        "PREP",
        "gym.create_actor(env, screw, up, 'late', 1, 0, 0)",
        "after prepare_sim",
    ),
    "two root writes": (
        "PREP",
        "refresh(); a = ids(1); b = ids(3); put_root(a); put_root(b)",
        "two indexed writes of root",
    ),
    "two dof writes": (
        "PREP",
        "refresh(); a = ids(0); b = ids(2); put_dof(a); put_dof(b)",
        "two indexed writes of dof",
    ),
    "int64 indices": ("PREP", "refresh(); put_root(ids(1, dtype=torch.int64))", "not int32"),
    "index out of the domain": ("PREP", "refresh(); a = ids(4); put_root(a)", "outside"),
    "wrong count": ("PREP", "refresh(); a = ids(1); put_root(a, 2)", "as the count says"),
    "repeated index": ("PREP", "refresh(); a = ids(1, 1); put_root(a)", "different indices"),
    "joints of a screw": ("PREP", "refresh(); a = ids(1); put_dof(a)", "has no joints"),
    "freed indices": (
        "PREP",
        "refresh(); a = ids(1); put_root(a); del a; gym.simulate(sim)",
        "was freed",
    ),
    "changed before simulate": (
        "PREP",
        "refresh(); a = ids(1); put_root(a); root[1] += 1; gym.simulate(sim)",
        "was changed",
    ),
    "float64 targets": (
        "PREP",
        "t = torch.zeros(12, dtype=torch.float64)\n"
        "gym.set_dof_position_target_tensor(sim, gymtorch.unwrap_tensor(t))",
        "torch.float32",
    ),
    "targets of one environment": (
        "PREP",
        "t = torch.zeros(6)\ngym.set_dof_position_target_tensor(sim, gymtorch.unwrap_tensor(t))",
        "full tensor of 12",
    ),
    "a torque for a drive by position": (
        "PREP",
        "t = torch.zeros(12)\ngym.set_dof_actuation_force_tensor(sim, gymtorch.unwrap_tensor(t))",
        "drive mode",
    ),
    "contacts that nobody collects": (
        "SCENE",
        "params.physx.contact_collection = gymapi.CC_NEVER\n"
        "sim.params.physx.contact_collection = gymapi.CC_NEVER\n"
        "gym.prepare_sim(sim); gym.acquire_net_contact_force_tensor(sim)",
        "not collected",
    ),
    "strided tensor": ("PREP", "gymtorch.unwrap_tensor(torch.zeros(4, 4)[:, 1])", "strided"),
    "refresh before fetch": ("PREP", "refresh(); gym.simulate(sim); refresh()", "fetch_results"),
    "viewer without graphics": (
        "SCENE",
        "gym.create_viewer(sim, gymapi.CameraProperties())",
        "graphics",
    ),
    "second simulation": (
        "SCENE",
        "gym.create_sim(0, -1, gymapi.SIM_PHYSX, params)",
        "one simulation",
    ),
    "unknown parameter": ("SCENE", "params.friction = 1.0", "no attribute 'friction'"),
    "a full aggregate": (
        "SCENE",
        "gym.begin_aggregate(env, 9, 4, True); gym.end_aggregate(env)",
        "without slack",
    ),
    "a filter's highest bit": (
        "SCENE",
        "shapes = gym.get_actor_rigid_shape_properties(env, handle); shapes[0].filter = 1 << 30\n"
        "gym.set_actor_rigid_shape_properties(env, handle, shapes)",
        "highest bits",
    ),
    "a base without mass": (
        "SCENE",
        "import os; path = os.path.join(FOLDER, 'bare.urdf')\n"
        "open(path, 'w').write('<robot name=\"bare\"><link name=\"base\"/></robot>')\n"
        "gym.load_asset(sim, FOLDER, 'bare.urdf', fixed)",
        "'base'.*no inertial",
    ),
    "shared group": (
        "SCENE",
        "gym.create_actor(env, screw, up, 'x', 0, 0, 0)",
        "collision group",
    ),
    "ground that faces y": (
        "SCENE",
        "gym.add_ground(sim, gymapi.PlaneParams()); gym.prepare_sim(sim)",
        "not \\+z",
    ),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_forbidden_raises(run, name):
    import re

    stage, code, message = FORBIDDEN[name]
    setup = SCENE + (PREPARED if stage == "PREP" else "")
    result = run(setup + "print('before')\n" + textwrap.dedent(code))
    assert result.stdout.startswith("before"), result.stderr
    assert result.returncode == 1
    assert re.search(message, result.stderr.splitlines()[-1]), result.stderr


def test_torch_has_to_come_second(run):
    result = run("import torch\nimport isaacgym")
    assert "ImportError: PyTorch was imported before isaacgym" in result.stderr


def test_without_ninja_on_the_path_there_is_no_gymtorch(run):
    result = run("from isaacgym import gymtorch", path="/nowhere")
    assert "RuntimeError: Ninja is required to load C++ extensions" in result.stderr


def test_tensors_change_on_refresh_only(run):
    result = run(
        SCENE
        + PREPARED
        + "refresh(); before = root.clone(); gym.simulate(sim); gym.fetch_results(sim, True)\n"
        "assert torch.equal(root, before)\nrefresh()\nassert not torch.equal(root, before)\n"
    )
    assert result.returncode == 0, result.stderr


def test_quaternions_are_xyzw_and_velocities_those_of_the_centre_of_mass(run):
    """A screw that spins about y: its centre of mass stands still if the tensor says so."""
    code = """
refresh()
root[1, 3:7] = torch.tensor([0.0, 0.0, 2 ** -0.5, 2 ** -0.5])  # 90 degrees about z
root[1, 10:13] = torch.tensor([0.0, 0.0, 5.0])
a = ids(1); put_root(a)
gym.simulate(sim); gym.fetch_results(sim, True); refresh()
speed = root[1, 7:9].norm().item()
assert speed < 1e-3, speed
assert root[1, 5] > 0.70 and root[1, 6] > 0.65, root[1, 3:7]
assert (root[1, :2] - torch.tensor([0.5, 0.0])).norm() > 1e-4, "the origin circles"
"""
    result = run(SCENE + PREPARED + code)
    assert result.returncode == 0, result.stderr


def test_rows_that_are_not_listed_stay(run):
    code = """
refresh()
root[1, 0] += 1.0
root[3, 0] += 1.0
a = ids(3); put_root(a)
gym.simulate(sim); gym.fetch_results(sim, True); refresh()
assert abs(root[1, 0] - 0.5) < 1e-3 and abs(root[3, 0] - 1.5) < 1e-3, root[:, 0]
"""
    result = run(SCENE + PREPARED + code)
    assert result.returncode == 0, result.stderr
