"""The doctor: one line a check, and it finds an engine that means something else."""

import ctypes
import dataclasses
import sys
import time

import jax.numpy as jnp
import pytest

from screwpush_sim.assets.probe import make_probe
from screwpush_sim.engines.isaacgym import doctor, physics_checks
from screwpush_sim.engines.isaacgym.worker import cuda
from screwpush_sim.engines.mujoco_cpu import MujocoCpu
from screwpush_sim.options import MujocoConfig

from .conftest import STANDIN, config
from .driver import Driver

pytestmark = pytest.mark.slow

FLIP = """
import isaacgym._physics as p
real = p.Physics.root_rows
def wrong(self):
    rows = real(self)
    {change}
    return rows
p.Physics.root_rows = wrong
"""
WRONG = {
    "wxyz quaternions": ("rows[:, 3:7] = rows[:, [6, 3, 4, 5]]", "frames", "xyzw"),
    "body-frame spin": ("rows[:, 10:13] *= [1, -1, 1]", "frames", "angular velocity"),
    "velocity of the origin": ("rows[:, 7:10] *= 0.5", "frames", "linear velocity"),
}
SHORT_CAPSULE = """
import isaacgym._physics as p
real = p._add_geom
def wrong(body, name, shape, asset, options):
    if shape.kind == "cylinder":
        r, length = float(shape.size["radius"]), float(shape.size["length"])
        shape = shape._replace(size={"radius": str(r), "length": str(length - 2 * r)})
    real(body, name, shape, asset, options)
p._add_geom = wrong
"""
SLOW_SPIN = """
real = Gym.load_asset
def load(self, sim, root, file, options):
    options.max_angular_velocity = 64.0
    return real(self, sim, root, file, options)
Gym.load_asset = load
"""


def findings(**changes) -> dict[str, doctor.Finding]:
    return dict(doctor.examine(config(**changes)))


def test_every_check_passes_on_the_stand_in_but_those_of_the_machine():
    found = findings()
    assert list(found) == [
        *("interpreter", "driver", "import", "pipeline", "hand-over"),
        *("frames", "spin", "contact", "capsule", "reset"),
    ]
    sick = {name for name, finding in found.items() if not finding.ok}
    assert sick <= {"interpreter", "driver"}, found


@pytest.mark.parametrize("name", WRONG)
def test_another_convention_of_frames_is_found(monkeypatch, name):
    change, check, hint = WRONG[name]
    monkeypatch.setenv("ISAACGYM_STANDIN_PATCH", FLIP.format(change=change))
    finding = findings()[check]
    assert not finding.ok
    assert hint in finding.text


def test_a_limit_on_the_spin_of_bodies_is_found(monkeypatch):
    """Gym's own, in the place of the one that it is given."""
    monkeypatch.setenv("ISAACGYM_STANDIN_PATCH", SLOW_SPIN)
    finding = findings()["spin"]
    assert not finding.ok
    assert "what rolls will slide" in finding.text


def test_a_capsule_of_another_length_is_found(monkeypatch):
    monkeypatch.setenv("ISAACGYM_STANDIN_PATCH", SHORT_CAPSULE)
    finding = findings()["capsule"]
    assert not finding.ok
    assert "capsules made of cylinders" in finding.text


def test_without_isaacgym_it_says_what_to_install(tmp_path):
    found = findings(python_path=str(tmp_path))
    assert list(found)[-1] == "import"
    assert "No module named 'isaacgym'" in found["import"].text
    assert "NVIDIA's archive" in found["import"].text


def test_a_missing_interpreter_is_a_finding():
    found = findings(python="/nowhere/python3.8")
    assert not found["interpreter"].ok
    assert "no interpreter '/nowhere/python3.8'" in found["interpreter"].text


NO_PYTHON = {  # a script, or a program of the machine, and what the doctor says of it
    "nothing said": ("/bin/true", "printed nothing"),
    "a failure": ("/bin/false", "ended with exit code 1"),
    "garbage": ("#!/bin/sh\necho hello world", "says 'hello world' when asked for its version"),
    "binary": ("#!/bin/sh\nhead -c 5000 /dev/urandom; printf '\\377\\376\\n'", "when asked"),
    "a number": ("#!/bin/sh\necho 3.8", "says '3.8' when asked"),
    "killed": ("#!/bin/sh\nkill -9 $$", "was killed by SIGKILL"),
    "never ends": ("#!/bin/sh\nsleep 600", "not done after 1 s"),
    "no program": ("this is a text", "cannot be run (Exec format error)"),
    "no shell": ("#!/nowhere/sh\n", "cannot be run (No such file or directory)"),
    "a folder": ("", "a folder"),
}


@pytest.mark.parametrize("kind", NO_PYTHON)
def test_what_is_no_python_is_one_finding_in_time(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(doctor, "_VERSION_S", 1.0)
    what, said = NO_PYTHON[kind]
    program = tmp_path / "python"
    if what.startswith("/"):
        program = what
    elif what:
        program.write_text(what)
        program.chmod(0o755)
    else:
        program.mkdir()
    begin = time.monotonic()
    found = findings(python=str(program))
    assert time.monotonic() - begin < 10.0
    assert list(found) == ["interpreter", "driver"]
    assert not found["interpreter"].ok
    assert said in found["interpreter"].text
    assert "\n" not in found["interpreter"].text


def test_a_file_that_may_not_be_executed_is_told_from_one_that_is_not_there(tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\n")
    found = findings(python=str(tmp_path / "python"))
    assert "a file that may not be executed" in found["interpreter"].text


def test_an_import_that_hangs_is_a_finding_that_names_the_lock(monkeypatch, tmp_path, site):
    """As one does that waits for a lock which nobody will give back."""
    lock = tmp_path / "extensions" / "gymtorch" / "lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    path = site(isaacgym="import time; time.sleep(600)")
    found = findings(python_path=path, start_timeout_s=1.0)
    assert list(found)[-1] == "import"
    text = found["import"].text
    assert "not done after 1 s" in text
    assert f"remove {lock}, 0 minutes old" in text
    assert "--timeout" in text


def test_an_import_that_says_nothing_is_a_finding(site):
    path = site(isaacgym="import os; os._exit(0)")
    text = findings(python_path=path)["import"].text
    assert "printed nothing" in text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError(""), "RuntimeError"),
        (RuntimeError("\nfirst\nsecond"), "RuntimeError: first"),
        (OSError(), "OSError"),
        (physics_checks.DiffersError("first\nsecond"), "first"),
    ],
)
def test_whatever_goes_wrong_in_a_check_is_one_line(error, said):
    def check():
        raise error

    assert doctor._run(check) == doctor.Finding(False, said)


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_limit_that_is_none_is_refused(monkeypatch, capsys, wrong):
    monkeypatch.setattr(sys, "argv", ["doctor", "--timeout", wrong])
    with pytest.raises(SystemExit) as caught:
        doctor.main()
    assert caught.value.code == 2
    assert "valid: seconds, greater than 0" in capsys.readouterr().err


@pytest.mark.parametrize(("capability", "ok"), [(86, True), (89, True), (90, False), (120, False)])
def test_data_centre_hopper_and_newer_are_warned_about(monkeypatch, capability, ok):
    monkeypatch.setattr(doctor, "Cuda", lambda: FakeCuda(capability))
    found = doctor._run(doctor._architecture)
    assert found.ok == ok
    assert f"sm_{capability}" in found.text


SHARING = {0: "0.3 ms a control step", 1: "side by side", None: "too old to say"}


@pytest.mark.parametrize("mps", SHARING)
def test_how_the_processes_share_the_gpu_is_told_and_is_no_fault(monkeypatch, mps):
    driver = Driver()
    driver.mps = mps
    monkeypatch.setattr(ctypes, "CDLL", driver.load)
    found = doctor._run(doctor._sharing)
    assert found.ok
    assert SHARING[mps] in found.text


class FakeCuda(cuda.Cuda):
    def __init__(self, capability: int):
        self.capability = capability

    def compute_capability(self) -> int:
        return self.capability


def test_the_command_prints_one_line_a_check(monkeypatch, capsys):
    config()  # skips on a GPU
    args = ["doctor", "--python", sys.executable, "--python-path", STANDIN, "--pipeline", "cpu"]
    monkeypatch.setattr(sys, "argv", args)
    code = doctor.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all(line.startswith(("ok  ", "FAIL")) for line in lines)
    assert code == int(any(line.startswith("FAIL") for line in lines))


VERSIONS = {"3.5.10": False, "3.6.9": True, "3.8.18": True, "3.9.1": False, "3.80.1": False}


@pytest.mark.parametrize("version", VERSIONS)
def test_pythons_that_isaac_gym_has_bindings_for_are_fit(tmp_path, version):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {version}\n")
    python.chmod(0o755)
    finding = doctor._run(lambda: doctor._interpreter(config(python=str(python)), []))
    assert finding.ok == VERSIONS[version]
    assert f"{python} is Python {version}" in finding.text


def test_a_driver_is_shown_with_the_cuda_that_it_serves(monkeypatch):
    driver = Driver()
    monkeypatch.setattr(ctypes, "CDLL", driver.load)
    assert doctor._run(doctor._driver) == doctor.Finding(True, "CUDA 12.4")


class WrongRow(MujocoCpu):
    """Writes a new state to the scene after the one that it is meant for."""

    def write(self, mask, views):
        super().write(jnp.roll(mask, 1), {n: jnp.roll(view, 1, 0) for n, view in views.items()})


def trial(check, engine=MujocoCpu, **physics):
    """What `check` says of MuJoCo itself, with other physics or broken on purpose."""
    config()  # skips on a GPU
    probe = make_probe()
    physics = dataclasses.replace(probe.scene.physics, **physics)
    scene = dataclasses.replace(probe.scene, physics=physics)
    sim = engine(scene, physics_checks.NUM_ENVS, MujocoConfig())
    try:
        return doctor._run(lambda: check(sim, probe))
    finally:
        sim.close()


CHECKS = {
    c.__name__: c
    for c in (
        physics_checks.free_flight,
        physics_checks.spin,
        physics_checks.push,
        physics_checks.stand,
    )
}


@pytest.mark.parametrize("name", CHECKS)
def test_mujoco_itself_passes_each_check(name):
    assert trial(CHECKS[name]).ok


def test_a_table_without_friction_is_found():
    slippery = trial(physics_checks.push, friction=1e-4)
    assert not slippery.ok
    assert "the friction is not as given" in slippery.text


def test_a_write_to_another_scene_is_found():
    wrong = trial(physics_checks.reset_one, WrongRow)
    assert not wrong.ok
    assert "indexed writes reach other actors" in wrong.text
