"""The lines that learner and worker exchange at the beginning and the end."""

import socket
import threading
import time

import pytest

from screwpush_sim.engines.isaacgym.worker.messages import Channel


@pytest.fixture
def ends():
    """A channel and the bare socket at its other end."""
    ours, theirs = socket.socketpair()
    yield Channel(ours), theirs
    ours.close()
    theirs.close()


def later(action, delay_s: float = 0.05) -> None:
    threading.Timer(delay_s, action).start()


def test_a_message_that_comes_in_pieces_is_put_together(ends):
    channel, other = ends
    other.sendall(b'{"do": "st')
    later(lambda: other.sendall(b'ep"}\n{"do": "close"}\n'))
    assert channel.receive(5.0) == {"do": "step"}
    assert channel.receive(5.0) == {"do": "close"}


def test_the_other_sides_end_is_noticed(ends):
    channel, other = ends
    later(other.close)
    begin = time.monotonic()
    with pytest.raises(EOFError):
        channel.receive(30.0)
    assert time.monotonic() - begin < 5.0


def test_silence_ends_with_the_time_limit(ends):
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        ends[0].receive(0.3)
    assert 0.29 < time.monotonic() - begin < 5.0
