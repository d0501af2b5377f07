"""A renderer that fails, hangs or is killed costs one line; handing in never waits."""

import dataclasses
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from screwpush_jax.filming.job import Job, Video
from screwpush_jax.filming.studio import Studio
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene

pytestmark = pytest.mark.slow
SCENE = make_scene(SceneConfig())
JOB = Job(SCENE, "table", (48, 32), 20.0, ())


def worker(code):
    """A renderer that runs this; `sys.argv[1]` is the job's file."""
    return (sys.executable, "-S", "-c", f"import os, sys, time; {code}")


def until(condition, limit_s=20.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_job_is_rendered_from_its_file_which_is_gone_afterwards(tmp_path, capfd):
    out = tmp_path / "out"
    studio = Studio(20.0, worker(f"open({str(out)!r}, 'a').write(sys.argv[1] + ' ')"))
    for count in range(3):
        studio.submit("a film", lambda: JOB)
        until(lambda n=count: out.exists() and len(out.read_text().split()) > n)
    studio.close(20.0)
    jobs = out.read_text().split()
    assert len(jobs) == 3
    assert not any(os.path.exists(job) for job in jobs)
    assert capfd.readouterr().err == ""


FAILURES = {
    "raises": ("print('noise', file=sys.stderr); sys.exit('no OpenGL here')", "no OpenGL here"),
    "is killed": ("os.kill(os.getpid(), 9)", "ended with -9"),
    "hangs": ("time.sleep(60)", "the renderer hung for 0.5 s"),
}


@pytest.mark.parametrize("how", FAILURES)
def test_what_goes_wrong_costs_one_line_and_later_films_nothing(how, capfd):
    code, said = FAILURES[how]
    began = time.monotonic()
    studio = Studio(0.5 if how == "hangs" else 20.0, worker(code))
    studio.submit("film 1", lambda: JOB)
    until(lambda: not studio.open)
    studio.submit("film 2", lambda: pytest.fail("it was asked for"))
    studio.close(20.0)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("film 1 could not be made, no more are: ")
    assert said in line
    assert time.monotonic() - began < 15.0


@pytest.mark.parametrize("how", ["the program", "the film"])
def test_what_is_not_there_costs_one_line(how, capfd):
    def ask():
        raise MemoryError("out of memory")

    studio = Studio(20.0, ("/no/such/program",) if how == "the program" else worker("pass"))
    studio.submit("film 1", ask if how == "the film" else lambda: JOB)
    until(lambda: not studio.open)
    studio.close(20.0)
    (line,) = capfd.readouterr().err.splitlines()
    assert ("No such file" if how == "the program" else "out of memory") in line


def test_handing_in_does_not_wait_and_what_has_no_room_is_left_out(capfd):
    gate, asked = threading.Event(), []

    def ask(number):
        asked.append(number)
        gate.wait(20.0)
        return JOB

    studio = Studio(20.0, worker("pass"))
    began = time.monotonic()
    studio.submit("film 0", lambda: ask(0))
    until(lambda: asked == [0])
    for number in range(1, 5):
        studio.submit(f"film {number}", lambda n=number: ask(n))
    assert time.monotonic() - began < 5.0
    lines = capfd.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"film {n} is left out" for n in (3, 4)]
    gate.set()
    studio.close(20.0)
    assert asked == [0, 1, 2]


def test_closing_ends_a_renderer_that_is_not_done_and_leaves_no_part(tmp_path, capfd):
    """It is in the middle of a video, which a program of its own encodes."""
    code = (
        "import subprocess; child = subprocess.Popen([sys.executable, '-S', '-c', 'import time;"
        f" time.sleep(60)']); folder = {str(tmp_path)!r};"
        " open(f'{folder}/.play-{os.getpid()}.mp4', 'w').write('half');"
        " open(folder + '/pid', 'w').write(f'{os.getpid()} {child.pid} '); time.sleep(60)"
    )
    pid = tmp_path / "pid"
    studio = Studio(60.0, worker(code))
    job = dataclasses.replace(JOB, videos=(Video(tmp_path / "out.mp4", ()),))
    studio.submit("a film", lambda: job)
    until(lambda: pid.exists() and pid.read_text().endswith(" "))
    began = time.monotonic()
    studio.close(0.0)
    assert time.monotonic() - began < 5.0
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]
    renderer, encoder = map(int, pid.read_text().split())
    with pytest.raises(ProcessLookupError):
        os.kill(renderer, 0)
    until(lambda: not is_running(encoder))
    assert "not finished in time" in capfd.readouterr().err


def is_running(pid):
    """Whether there is such a process, and not only what is left of one."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
