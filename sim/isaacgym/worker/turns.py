"""Whose turn it is, in a page of memory that learner and worker share.

A message through the kernel takes tens of microseconds; a look at a counter takes none. The learner
counts what it asked, the worker what it answered, and while the two differ it is the worker's turn.
What belongs to a question or an answer is written before its counter, and x86 keeps that order.

Whoever waits looks without pause for a while and then naps between looks. It naps on the socket, so
that the other side's last words, or its end, wake it.
"""

import mmap
import select
import socket
import time
from typing import Optional, Tuple

SIZE = 4096
QUESTIONS = ("step", "show")
_ASKED, _QUESTION, _PACK = 0, 1, 2
_ANSWERED, _BUSY_NS = 8, 9  # on a cache line of their own
_NAP_S = 1e-4


class Turns:
    """The page behind an open file of `SIZE` bytes, zeroed at first."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, SIZE)
        self._words = memoryview(self._page).cast("q")

    def ask(self, question: str, pack: bool) -> None:
        """The learner's turn ends."""
        self._words[_QUESTION] = QUESTIONS.index(question)
        self._words[_PACK] = pack
        self._words[_ASKED] += 1

    def asked(self) -> Tuple[str, bool]:
        """The question, and whether the answer is wanted in the block."""
        return QUESTIONS[self._words[_QUESTION]], bool(self._words[_PACK])

    def answer(self, busy_s: float) -> None:
        """The worker's turn ends."""
        self._words[_BUSY_NS] = int(1e9 * busy_s)
        self._words[_ANSWERED] += 1

    def busy_s(self) -> float:
        """How long the last answer took."""
        return 1e-9 * self._words[_BUSY_NS]

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
        while (words[_ASKED] != words[_ANSWERED]) != for_worker:
            waited_s = time.monotonic() - begin
            if waited_s < spin_s:
                continue
            if select.select([sock], [], [], _NAP_S)[0]:
                return False
            if timeout_s is not None and waited_s > timeout_s:
                raise socket.timeout("no turn")
        return True

    def close(self) -> None:
        """Unmaps the page. May be called again."""
        self._words.release()
        self._page.close()
