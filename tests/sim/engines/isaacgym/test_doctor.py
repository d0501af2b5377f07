"""The doctor: one line a check, whatever goes wrong. What its trials notice is in `test_trials.py`."""

import ctypes
import sys
import time

import pytest

from screwpush_sim.engines.isaacgym import doctor
from screwpush_sim.engines.isaacgym.trials import TRIALS
from screwpush_sim.engines.isaacgym.trials.bench import DiffersError
from screwpush_sim.engines.isaacgym.worker import cuda

from .conftest import STANDIN, config
from .driver import Driver

pytestmark = pytest.mark.slow


def findings(**changes) -> dict[str, doctor.Finding]:
    return dict(doctor.examine(config(**changes)))


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
    found = findings(python_path=path, start_timeout_s=3.0)
    assert list(found)[-1] == "import"
    text = found["import"].text
    assert "not done after 3 s" in text
    assert f"remove {lock}, 0 minutes old" in text
    assert "--timeout" in text


def test_ninja_is_taken_from_beside_the_workers_interpreter(tmp_path, monkeypatch):
    """Where pip puts it; torch asks for it at every import, and nothing else of the path has it."""
    python, ninja = tmp_path / "bin" / "python", tmp_path / "bin" / "ninja"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    missing = doctor._run(lambda: doctor._import(config(python=str(python))))
    assert not missing.ok
    assert "pip install ninja" in missing.text
    ninja.write_text("#!/bin/sh\n")
    ninja.chmod(0o755)
    found = doctor._run(lambda: doctor._import(config(python=str(python))))
    assert found.ok, found.text


def test_a_cpp_library_that_is_too_old_is_a_finding_with_its_cure(site):
    error = "/env/bin/../lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by gymtorch.so)"
    found = findings(python_path=site(isaacgym=f"raise ImportError({error!r})"))
    assert list(found)[-1] == "import"
    assert "conda install -c conda-forge 'libstdcxx-ng>=13'" in found["import"].text


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
        (DiffersError("first\nsecond"), "first"),
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


def test_the_command_prints_one_line_a_check_and_the_stand_in_passes_all_but_those_of_the_machine(
    monkeypatch, capsys
):
    config()  # skips on a GPU
    args = ["doctor", "--python", sys.executable, "--python-path", STANDIN, "--pipeline", "cpu"]
    monkeypatch.setattr(sys, "argv", args)
    code = doctor.main()
    lines = [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert [line[5:] for line in lines] == [
        *("interpreter", "driver", "import", "pipeline", "settings", "hand-over"),
        *TRIALS,
    ]
    assert {line[:5] for line in lines} <= {"ok   ", "FAIL "}
    sick = {line[5:] for line in lines if line.startswith("FAIL")}
    assert sick <= {"interpreter", "driver"}
    assert code == int(bool(sick))


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
