"""The handshake of learner and worker, in a page of memory that they share.

A message through the kernel takes tens of microseconds; a look at a counter takes none. The learner
counts what it asked, the worker what it answered, and while the two differ it is the worker's turn.
What belongs to a request or an answer is written before its counter, and x86 keeps that order. The
learner's side may be the host or a stream of its GPU, which writes and waits for the same words
(`stream_handshake.py` in the folder above).

The worker looks without pause for a while and then naps between looks. It naps on the socket, so
that the other side's last words, or its end, wake it; so does a learner that waits on the host.
"""

import ctypes
import mmap
import select
import socket
import time
from typing import NamedTuple, Optional

SIZE = 1 << 16
REQUESTS = ("step", "show")
_REQUEST, _PACK, _ROWS, _REQUESTED, _ANSWERED = 0, 1, 2, 3, 16  # 32 bits; the last on its own line
_SUMS, _SLOTS = 512, 4096  # 64 bits: sums of the time taken, by the number of the answer
_ALL = 0xFFFFFFFF
_FAR_AHEAD = 1 << 30
_NAP_S, _LONGEST_NAP_S = 1e-4, 0.01  # one that idles for long costs the host next to nothing

ROWS_BYTE, REQUESTED_BYTE, ANSWERED_BYTE = 4 * _ROWS, 4 * _REQUESTED, 4 * _ANSWERED
"""Where a stream finds these words, bytes from the page's start."""


class Request(NamedTuple):
    """What the worker is asked."""

    what: str  # one of REQUESTS
    pack: bool  # the answer is wanted in the block
    rows: int  # environments with a new state, listed in the block


class HandshakePage:
    """The page behind an open file of `SIZE` bytes, zeroed at first."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, SIZE)
        view = memoryview(self._page)
        self._words, self._sums = view.cast("I"), view.cast("Q")

    @property
    def address(self) -> int:
        """Where the page lies in this process."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self._page))

    @property
    def pending(self) -> Optional[int]:
        """The number of the request that waits for its answer."""
        asked = self._words[_REQUESTED]
        return None if asked == self._words[_ANSWERED] else asked

    def put(self, request: Request) -> None:
        """What the next number asks. Only while none waits for its answer."""
        self._words[_REQUEST] = REQUESTS.index(request.what)
        self._words[_PACK] = request.pack
        self._words[_ROWS] = request.rows

    def ask(self) -> int:
        """Begins the request; returns its number."""
        number = next_number(self._words[_REQUESTED])
        self._words[_REQUESTED] = number
        return number

    def request(self) -> Request:
        what, pack, rows = (self._words[word] for word in (_REQUEST, _PACK, _ROWS))
        return Request(REQUESTS[what], bool(pack), rows)

    def answer(self, busy_s: float) -> None:
        """Completes the request, which took the worker `busy_s`."""
        last = self._words[_ANSWERED]
        number = next_number(last)
        self._sums[_slot(number)] = self._sums[_slot(last)] + int(1e9 * busy_s)
        self._words[_ANSWERED] = number

    def busy_s(self, begin: int, end: int) -> float:
        """How long the answers after number `begin` to number `end`, of the last 4,096, took."""
        return 1e-9 * (self._sums[_slot(end)] - self._sums[_slot(begin)])

    def release(self) -> None:
        """Answers whatever may still be asked: the worker is gone."""
        self._words[_ANSWERED] = (self._words[_REQUESTED] + _FAR_AHEAD) & _ALL

    def wait(
        self,
        for_worker: bool,
        sock: socket.socket,
        spin_s: float,
        timeout_s: Optional[float] = None,
    ) -> bool:
        """Whether the turn came; False if the other side has something to say or is gone.

        Raises:
          socket.timeout: neither came within `timeout_s`.
        """
        words, begin = self._words, time.monotonic()
        while (words[_REQUESTED] != words[_ANSWERED]) != for_worker:
            waited_s = time.monotonic() - begin
            if waited_s < spin_s:
                continue
            if select.select([sock], [], [], nap_s(waited_s))[0]:
                return False
            if timeout_s is not None and waited_s > timeout_s:
                raise socket.timeout("no turn")
        return True

    def close(self) -> None:
        """Unmaps the page. May be called again."""
        self._words.release()
        self._sums.release()
        self._page.close()


def nap_s(waited_s: float) -> float:
    """How long to sleep before the next look: a hundredth of the wait so far, within bounds."""
    return min(max(_NAP_S, 0.01 * waited_s), _LONGEST_NAP_S)


def next_number(number: int) -> int:
    """Numbers are of 32 bits and begin anew after the last."""
    return (number + 1) & _ALL


def _slot(number: int) -> int:
    return _SUMS + number % _SLOTS
