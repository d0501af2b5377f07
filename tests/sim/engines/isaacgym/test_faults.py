"""Whatever dies or hangs: a clear error within ten seconds, no process and no memory left."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim.engines.isaacgym import interpreter, process
from screwpush_sim.engines.isaacgym.worker import messages
from screwpush_sim.errors import DeviceMismatchError, EngineNotInstalledError, SimClosedError

from .conftest import (
    LIMIT_S,
    SLOW_STEP,
    failure,
    gone_in_time,
    host,
    is_running,
    learner,
    shared_maps,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No mapping of a shared block outlives a test, and no child process."""
    before = shared_maps()
    yield
    gc.collect()
    assert shared_maps() == before


def test_a_killed_worker_is_named_with_its_signal(build, targets):
    sim = build()
    pid = sim.worker_pid
    os.kill(pid, signal.SIGKILL)
    message = failure(lambda: sim.step(targets), "killed by SIGKILL")
    assert sys.executable in message
    assert not is_running(pid)
    failure(lambda: sim.step(targets), "killed by SIGKILL")
    failure(sim.views, "killed by SIGKILL")


def test_a_worker_killed_inside_a_step_is_noticed(build, break_gym, targets):
    break_gym(SLOW_STEP)
    sim = build()
    pid = sim.worker_pid
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {pid}"])
    failure(lambda: sim.step(targets), "killed by SIGKILL")
    assert killer.wait(5) == 0
    assert not is_running(pid)


def test_a_hung_worker_is_ended_after_the_time_limit(build, break_gym, targets):
    break_gym(SLOW_STEP)
    sim = build(step_timeout_s=1.0)
    pid = sim.worker_pid
    failure(lambda: sim.step(targets), "longer than 1 s to answer 'step'")
    assert not is_running(pid)


def test_a_worker_that_never_says_hello_is_ended(build, tmp_path):
    silent = tmp_path / "python3.8"
    silent.write_text("#!/bin/sh\necho warming up >&2\nexec sleep 600\n")
    silent.chmod(0o755)
    message = failure(
        lambda: build(python=str(silent), start_timeout_s=1.0), "longer than 1 s to say hello"
    )
    assert "warming up" in message


@pytest.mark.parametrize("stuck", [False, True], ids=["idle", "in a step"])
def test_a_killed_learner_leaves_no_worker(break_gym, stuck):
    break_gym(SLOW_STEP if stuck else "")
    then = "import jax.numpy as j; sim.step(j.zeros((1, 6)))" if stuck else "time.sleep(600)"
    child, worker = learner(then)
    time.sleep(0.5)
    assert is_running(worker)
    child.kill()
    child.wait()
    assert gone_in_time(worker)


def test_a_learner_that_ends_without_close_leaves_no_worker():
    child, worker = learner("")
    assert child.wait(LIMIT_S) == 0
    assert gone_in_time(worker)


def test_closing_twice_ends_the_worker_and_frees_the_memory(build):
    sim = build()
    pid = sim.worker_pid
    assert shared_maps() >= 1
    assert shared_maps(pid) == 1
    sim.close()
    sim.close()
    gc.collect()
    assert not is_running(pid)
    with pytest.raises(SimClosedError):
        sim.views()


def test_a_view_that_outlives_its_simulator_can_still_be_read(build):
    sim = build()
    view = sim.views()["dof"]
    before = np.array(view)
    sim.close()
    gc.collect()
    np.testing.assert_array_equal(view, before)


def test_an_interpreter_that_is_not_there_is_named_with_the_ways_to_name_one(build, monkeypatch):
    message = failure(
        lambda: build(python="/nowhere/python3.8"), "no interpreter", EngineNotInstalledError
    )
    assert "/nowhere/python3.8" in message
    assert "--isaacgym.python" in message
    assert interpreter.VARIABLE in message
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    failure(lambda: build(python=""), "no python3.8 on the path", EngineNotInstalledError)


def test_the_environment_variable_names_the_interpreter(monkeypatch):
    monkeypatch.setenv(interpreter.VARIABLE, sys.executable)
    assert interpreter.find_python("") == sys.executable
    monkeypatch.setenv(interpreter.VARIABLE, "/nowhere/python")
    with pytest.raises(EngineNotInstalledError, match="/nowhere/python"):
        interpreter.find_python("")


def test_a_program_that_is_no_python_is_refused(build):
    message = failure(lambda: build(python="/bin/true"), "ended with exit code 0 .* is it a Python")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("text", ["no program at all", "#!/nowhere/sh\n"])
def test_a_file_that_cannot_be_run_is_refused_and_leaves_nothing_open(build, tmp_path, text):
    program = tmp_path / "python"
    program.write_text(text)
    program.chmod(0o755)
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd"))
    message = failure(lambda: build(python=str(program)), f"{program} cannot be run")
    assert len(message.splitlines()) == 1
    gc.collect()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_what_a_hung_interpreter_has_started_is_ended_with_it(build, tmp_path):
    script, child = tmp_path / "python", tmp_path / "child"
    script.write_text(
        f"#!/bin/sh\nsleep 600 &\necho $! > {child}.new; mv {child}.new {child}\nwait"
    )
    script.chmod(0o755)
    failure(lambda: build(python=str(script), start_timeout_s=1.0), "longer than 1 s to say hello")
    assert gone_in_time(int(child.read_text()))


def test_a_start_that_takes_too_long_names_the_lock_that_it_may_wait_for(
    build, tmp_path, monkeypatch, site
):
    lock = tmp_path / "torch_extensions" / "py38_cu121" / "gymtorch" / "lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    os.utime(lock, (time.time() - 7200,) * 2)
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = site(isaacgym="import time; time.sleep(600)")
    message = failure(
        lambda: build(python_path=path, start_timeout_s=2.0), "longer than 2 s to build the scenes"
    )
    assert f"remove {lock}, 120 minutes old" in message


def test_programs_beside_the_workers_interpreter_come_first(monkeypatch, tmp_path):
    """Isaac Gym calls `ninja`; a virtual environment's interpreter is a link to another folder."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    path = interpreter.worker_environment(str(python), "", "")["PATH"]
    assert path == f"{python.parent}:/usr/bin:/bin"
    monkeypatch.delenv("PATH")
    assert interpreter.worker_environment(str(python), "", "")["PATH"].startswith(
        f"{python.parent}:"
    )


def test_a_python_without_isaacgym_says_what_is_missing(build, tmp_path):
    message = failure(lambda: build(python_path=str(tmp_path)), "No module named 'isaacgym'")
    assert "docs/isaacgym.md" in message
    assert "Python 3.6 to 3.8" in message
    assert "its traceback" in message


def test_an_import_whose_cause_is_known_says_what_to_do(build, site):
    error = "/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by gymtorch.so)"
    path = site(isaacgym=f"raise ImportError({error!r})")
    message = failure(lambda: build(python_path=path), "GLIBCXX_3.4.32' not found")
    assert "conda install -c conda-forge 'libstdcxx-ng>=13'" in message


def test_torch_before_isaacgym_is_refused(build, site):
    message = failure(lambda: build(python_path=site(sitecustomize="import torch")), "torch was")
    assert "sitecustomize" in message


def test_another_version_of_the_protocol_is_refused_by_the_learner(build, monkeypatch):
    ours = messages.PROTOCOL
    monkeypatch.setattr(messages, "PROTOCOL", 99)
    failure(build, rf"protocol version mismatch.*{ours}.*99")


def test_another_version_of_the_protocol_is_refused_by_the_worker(build, monkeypatch):
    """A learner that lies in its set-up message, so that only the worker can notice."""
    ask = process.Worker.ask

    def lie(self, message, *args):
        return ask(self, {**message, "protocol": 98} if "protocol" in message else message, *args)

    monkeypatch.setattr(process.Worker, "ask", lie)
    failure(build, f"mismatch: the worker speaks {messages.PROTOCOL}, the learner 98")


def test_an_error_inside_a_step_carries_traceback_and_log(build, break_gym, targets):
    patch = (
        ""
        "def simulate(*_):\n    print('PhysX: oh no')\n    raise RuntimeError('error 700')\n"
        "Gym.simulate = simulate\n"
    )
    break_gym(patch)
    sim = build()
    message = failure(lambda: sim.step(targets), "RuntimeError: error 700")
    assert "Traceback (most recent call last)" in message
    assert "stepper.py" in message
    assert "PhysX: oh no" in message


def test_a_call_that_gym_refuses_is_named(build, break_gym, targets):
    patch = "Gym.set_dof_position_target_tensor = lambda *_: False\n"
    break_gym(patch)
    sim = build()
    failure(lambda: sim.step(targets), "set_dof_position_target_tensor failed")


def test_a_simulation_that_gym_cannot_create_is_an_error(build, break_gym):
    patch = "Gym.create_sim = lambda *_: None\n"
    break_gym(patch)
    failure(build, "create_sim failed")


def test_a_new_worker_goes_on_from_a_snapshot_on_the_same_memory(build, targets):
    sim = build()
    for _ in range(3):
        sim.step(targets + 0.05)
    snapshot, seen = sim.snapshot(), host(sim)
    where = {name: view.unsafe_buffer_pointer() for name, view in sim.views().items()}
    os.kill(sim.worker_pid, signal.SIGKILL)
    failure(lambda: sim.step(targets), "SIGKILL")
    sim.restart()
    sim.restore(snapshot)
    assert {name: view.unsafe_buffer_pointer() for name, view in sim.views().items()} == where
    np.testing.assert_array_equal(host(sim).bodies["screws"].pos_w, seen.bodies["screws"].pos_w)
    sim.step(targets + 0.05)
    assert np.abs(np.asarray(host(sim).robot.joint_pos - targets - 0.05)).max() < 0.03


def test_the_gpu_pipeline_without_a_gpu_is_refused_before_anything_starts(build):
    begin = time.monotonic()
    with pytest.raises(DeviceMismatchError, match=r"--isaacgym.pipeline gpu.*valid here: cpu"):
        build(pipeline="gpu")
    assert time.monotonic() - begin < 1.0


def test_no_file_is_left_in_the_temporary_folder(build, tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sim = build()
    sim.step(jnp.zeros((2, 6)))
    sim.close()
    assert list(Path(tmp_path).iterdir()) == []
