"""Whose turn it is: looked for awake and napping, seen across processes, with an end in any case."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from screwpush_sim.engines.isaacgym.worker import handshake
from screwpush_sim.engines.isaacgym.worker.handshake import SIZE, HandshakePage, Request

SPIN_S = pytest.mark.parametrize("spin_s", [0.0, 0.2])
ROUNDS = 2000


@pytest.fixture
def page():
    fd = os.memfd_create("handshake")
    os.ftruncate(fd, SIZE)
    yield fd
    os.close(fd)


@pytest.fixture
def sides(page):
    """The learner's and the worker's view of one page, and the two ends of their socket."""
    views, ends = (HandshakePage(page), HandshakePage(page)), socket.socketpair()
    yield *views, *ends
    for thing in (*views, *ends):
        thing.close()


def later(action, delay_s: float = 0.05) -> None:
    threading.Timer(delay_s, action).start()


def ask(learner: HandshakePage, *request) -> int:
    learner.put(Request(*request))
    return learner.ask()


def test_the_learner_begins(sides):
    learner, worker, ours, theirs = sides
    assert learner.wait(False, ours, 0.0)
    assert worker.pending is None
    with pytest.raises(TimeoutError):
        worker.wait(True, theirs, 0.0, timeout_s=0.1)


@SPIN_S
def test_request_and_answer_arrive_whole(sides, spin_s):
    learner, worker, ours, theirs = sides
    later(lambda: ask(learner, "show", True, 7))
    assert worker.wait(True, theirs, spin_s)
    assert worker.request() == ("show", True, 7)
    assert worker.pending == learner.pending == 1
    later(lambda: worker.answer(0.25))
    assert learner.wait(False, ours, spin_s)
    assert learner.pending is None
    assert learner.busy_s(0, 1) == pytest.approx(0.25)


@SPIN_S
def test_last_words_come_before_the_turn(sides, spin_s):
    learner, _, ours, theirs = sides
    ask(learner, "step", False, 0)
    later(lambda: theirs.sendall(b"{}\n"))
    assert not learner.wait(False, ours, spin_s, timeout_s=5.0)


@SPIN_S
def test_the_other_sides_end_is_noticed(sides, spin_s):
    learner, _, ours, theirs = sides
    ask(learner, "step", False, 0)
    later(theirs.close)
    begin = time.monotonic()
    assert not learner.wait(False, ours, spin_s, timeout_s=30.0)
    assert time.monotonic() - begin < 5.0


@SPIN_S
def test_silence_ends_with_the_time_limit(sides, spin_s):
    learner, _, ours, _ = sides
    ask(learner, "step", False, 0)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        learner.wait(False, ours, spin_s, timeout_s=0.3)
    assert 0.29 < time.monotonic() - begin < 5.0


OTHER = """
import socket, sys
from worker.handshake import HandshakePage
worker, sock = HandshakePage(int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2]))
for _ in range(int(sys.argv[3])):
    worker.wait(True, sock, 0.01)
    request = worker.request()
    worker.answer(10 * (request.what == "show") + request.pack + request.rows)
"""


def test_two_processes_take_turns(page, sides):
    """What each writes before its turn ends is what the other finds when its own begins."""
    learner, _, ours, theirs = sides
    fds = page, theirs.fileno()
    command = [sys.executable, "-c", OTHER, *map(str, (*fds, ROUNDS))]
    home = Path(handshake.__file__).parent.parent
    with subprocess.Popen(command, cwd=home, pass_fds=fds):
        seen = []
        for number in range(ROUNDS):
            asked = ask(learner, ("step", "show")[number % 2], number % 3 == 0, number % 7)
            assert learner.wait(False, ours, 0.01, timeout_s=20.0)
            seen.append(round(learner.busy_s(asked - 1, asked)))
    wanted = [10 * (n % 2) + (n % 3 == 0) + n % 7 for n in range(ROUNDS)]
    assert seen == wanted
    assert learner.busy_s(0, ROUNDS) == pytest.approx(sum(wanted))


def test_numbers_begin_anew_after_the_last_of_32_bits(sides):
    learner, worker, ours, theirs = sides
    for side in (learner, worker):
        words = side._words
        words[handshake._REQUESTED] = words[handshake._ANSWERED] = 0xFFFFFFFF
    assert ask(learner, "step", False, 0) == 0
    assert worker.wait(True, theirs, 0.0)
    worker.answer(0.5)
    assert learner.wait(False, ours, 0.0)
    assert ask(learner, "step", False, 0) == 1
    worker.answer(1.0)
    assert learner.busy_s(0xFFFFFFFF, 1) == pytest.approx(1.5)


@pytest.mark.parametrize("asked", [5, 0xFFFFFFFF])
def test_who_is_let_go_has_no_answer_to_wait_for(sides, asked):
    """As a stream compares: modulo 2^32, less than half of it ahead is reached."""
    learner, _, ours, _ = sides
    learner._words[handshake._REQUESTED] = asked
    learner.release()
    for number in range(asked, asked + 1000):
        assert (learner._words[handshake._ANSWERED] - number) % (1 << 32) < 1 << 31


@pytest.mark.parametrize(
    ("waited_s", "nap_s"),
    [(0.0, 1e-4), (0.005, 1e-4), (0.05, 5e-4), (0.5, 5e-3), (1.0, 0.01), (600.0, 0.01)],
)
def test_naps_grow_with_the_wait_within_bounds(waited_s, nap_s):
    assert handshake.nap_s(waited_s) == pytest.approx(nap_s)
