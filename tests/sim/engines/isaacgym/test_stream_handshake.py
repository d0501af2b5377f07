"""The handshake by a stream, on a device that is played on the host (`driver`), with a worker of bare calls."""

import ctypes
import os
import subprocess
import sys
import threading
import types

import jax
import pytest
import warp as wp

from screwpush_sim.engines.isaacgym import process
from screwpush_sim.engines.isaacgym.stream_handshake import StreamHandshake
from screwpush_sim.engines.isaacgym.worker import handshake
from screwpush_sim.engines.isaacgym.worker.cuda import Cuda
from screwpush_sim.engines.isaacgym.worker.handshake import Request
from screwpush_sim.errors import DeviceLostError

from .conftest import LIMIT_S, failure, is_running
from .driver import Driver

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="a GPU has a real driver")

PLAYED = """
import json, socket, sys, time
from worker.handshake import HandshakePage
sock = socket.socket(fileno=int(sys.argv[1]))
page = HandshakePage(int(sys.argv[2]))
say = lambda **words: sock.sendall(json.dumps(words).encode() + b"\\n")
say(hello=PROTOCOL)
while page.wait(True, sock, 0.0):
    request = page.request()
    print(*request, flush=True)
    ANSWER
    page.answer(0.25 if request.what == "step" else 0.0)
"""
ANSWERS = {
    "works": "pass",
    "hangs": "time.sleep(600)",
    "dies": "import os; os.abort()",
    "gives up": "say(error='PhysX: error 700', traceback='Traceback of it'); break",
}


@pytest.fixture
def start(monkeypatch):
    """`(answer, limit_s) -> StreamHandshake`; its device is the host, and so is its driver."""
    made, driver, run = [], Driver(), subprocess.Popen
    device = types.SimpleNamespace(
        is_cuda=False, stream=types.SimpleNamespace(cuda_stream=driver.STREAM)
    )
    monkeypatch.setattr(wp, "synchronize_stream", lambda stream: None)

    def make(answer: str = "works", limit_s: float = 20.0, pack: bool = True) -> StreamHandshake:
        code = PLAYED.replace("PROTOCOL", str(process.messages.PROTOCOL))
        code = code.replace("ANSWER", ANSWERS[answer])

        def play(command, **options):
            return run([command[0], "-c", code, *command[-3:]], **options)

        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", play)
            worker = process.Worker(sys.executable, "", (), "", LIMIT_S)
        with monkeypatch.context() as patch:
            patch.setattr(ctypes, "CDLL", driver.load)
            made.append((StreamHandshake(worker, Cuda(), device, pack, limit_s, None), worker))
        return made[-1][0]

    yield make
    for one, worker in made:
        one.close()
        worker.close()
        assert not is_running(worker.pid)
    assert not driver.registered
    assert not any(thread.name == "isaacgym-listener" for thread in threading.enumerate())


def said(one: StreamHandshake) -> list[str]:
    """The requests that the worker was asked."""
    return one._worker._last_lines().splitlines()


@pytest.mark.parametrize("pack", [True, False])
def test_steps_and_shows_are_asked_in_their_order(start, pack):
    one = start(pack=pack)
    one.step()
    one.show(2)
    one.step()
    assert said(one) == [f"step {pack} 0", f"show {pack} 2", f"step {pack} 0"]


def test_the_stream_tells_how_many_environments_have_a_new_state(start):
    one = start()
    rows = ctypes.c_uint32.from_address(one.rows_address)
    for count in (0, 3, 3, 1):
        rows.value = count
        one.step()
    assert [int(line.split()[-1]) for line in said(one)] == [0, 3, 3, 1]


def test_the_workers_time_is_taken_from_the_hand_over(start):
    """Each step is said to have taken 0.25 s, each show nothing."""
    one = start()
    for _ in range(2):
        one.step()
    one.lap()
    one.show(2)
    for _ in range(3):
        one.step()
    report = one.lap()()
    assert report["perf/handover_ms"] == pytest.approx(report["perf/sim_ms"] - 750.0)


SAID = {
    "hangs": "longer than 0.3 s to answer 'step'",
    "dies": "was killed by SIGABRT while it had to answer 'step'",
    "gives up": "(?s)PhysX: error 700.*Traceback of it",
}


@pytest.mark.parametrize("answer", SAID)
def test_a_worker_that_fails_lets_the_stream_go_and_every_later_call_tells(start, answer):
    one = start(answer, limit_s=0.3)
    one.step()  # the played stream waits here
    report = one.lap()
    for later in (one.step, one.check, one.synchronize, lambda: one.show(2), report):
        failure(later, SAID[answer])
    assert not is_running(one._worker.pid)


def test_a_worker_that_dies_between_two_steps_is_noticed(start):
    one = start()
    one.step()
    os.kill(one._worker.pid, 9)
    one.step()
    failure(one.check, "killed by SIGKILL")


def test_a_worker_that_this_process_ends_at_its_own_end_is_let_go_of_in_silence(start):
    """An error in a thread would be one of this test."""
    one = start("hangs")
    threading.Timer(0.3, one._worker._end).start()
    one.step()
    one._listener.join(LIMIT_S)
    assert not one._listener.is_alive()
    failure(one.check, "Isaac Gym worker")


def test_a_stream_that_is_gone_is_a_lost_device(start, monkeypatch, lost):
    one = start()
    with monkeypatch.context() as gone:
        gone.setattr(wp, "synchronize_stream", lost)
        failure(one.synchronize, "error 700", DeviceLostError)


@pytest.mark.slow
def test_a_slow_worker_has_the_whole_limit_for_each_step(start, monkeypatch):
    monkeypatch.setitem(ANSWERS, "slow", "time.sleep(0.4)")
    one = start("slow", limit_s=0.6)
    for _ in range(4):
        one.step()
    one.check()


def test_the_words_lie_where_the_page_says(start):
    """Two views of one page: by its methods, and by the bytes that a stream is given."""
    fd = os.memfd_create("handshake")
    os.ftruncate(fd, handshake.SIZE)
    page = handshake.HandshakePage(fd)
    os.close(fd)
    page.put(Request("show", True, 5))

    def word(byte: int) -> int:
        return ctypes.c_uint32.from_address(page.address + byte).value

    assert [page.ask() for _ in range(2)] == [1, 2]
    page.answer(0.0)
    places = (handshake.ROWS_BYTE, handshake.REQUESTED_BYTE, handshake.ANSWERED_BYTE)
    assert [word(byte) for byte in places] == [5, 2, 1]
    page.close()
