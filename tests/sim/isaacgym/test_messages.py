"""The lines that learner and worker exchange, waited for asleep and awake."""

import socket
import threading
import time

import pytest

from sim.isaacgym.worker.messages import Channel

SPIN_S = [0.0, 0.2]


@pytest.fixture
def ends():
    """A channel and the bare socket at its other end."""
    ours, theirs = socket.socketpair()
    yield Channel(ours), theirs
    ours.close()
    theirs.close()


def later(action, delay_s: float = 0.05) -> None:
    threading.Timer(delay_s, action).start()


@pytest.mark.parametrize("spin_s", SPIN_S)
def test_a_message_that_comes_in_pieces_is_put_together(ends, spin_s):
    channel, other = ends
    other.sendall(b'{"do": "st')
    later(lambda: other.sendall(b'ep"}\n{"do": "close"}\n'))
    assert channel.receive(5.0, spin_s) == {"do": "step"}
    assert channel.receive(5.0, spin_s) == {"do": "close"}


@pytest.mark.parametrize("spin_s", SPIN_S)
def test_a_message_after_the_spin_wakes_the_sleeper(ends, spin_s):
    channel, other = ends
    later(lambda: other.sendall(b"{}\n"), delay_s=0.4)
    assert channel.receive(5.0, spin_s) == {}


@pytest.mark.parametrize("spin_s", SPIN_S)
def test_the_other_sides_end_is_noticed(ends, spin_s):
    channel, other = ends
    later(other.close)
    begin = time.monotonic()
    with pytest.raises(EOFError):
        channel.receive(30.0, spin_s)
    assert time.monotonic() - begin < 5.0


@pytest.mark.parametrize("spin_s", SPIN_S)
def test_silence_ends_with_the_time_limit(ends, spin_s):
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        ends[0].receive(0.3, spin_s)
    assert 0.29 < time.monotonic() - begin < 5.0
