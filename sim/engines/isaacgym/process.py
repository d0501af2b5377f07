"""The worker process: found, started, asked with a time limit, and ended whatever happens.

It is tied to this process four ways: a socket pair without a name, which reads as closed when
either side dies; memory and a log file without a name, which vanish with their last user; the
kernel's promise to end the worker with the thread that started it (start it from one that lives as
long as the simulator); and a finalizer.
"""

import atexit
import contextlib
import os
import select
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from screwpush_sim.engines.isaacgym import interpreter
from screwpush_sim.engines.isaacgym.worker import messages
from screwpush_sim.engines.isaacgym.worker.handshake import SIZE, HandshakePage
from screwpush_sim.engines.isaacgym.worker.messages import Message
from screwpush_sim.errors import WorkerError

_HOME = Path(__file__).parent
_LOG_LINES = 12
_LAST_WORDS_S = 10.0
_HELLO = "to say hello"
_NO_PYTHON = '; is it a Python, or a script that ends in `exec python "$@"`?'


class Worker:
    """One running worker and the talk with it.

    Args:
      python: interpreter that runs it.
      python_path: its PYTHONPATH.
      fds: open files that it inherits.
      gpu: identity of the one GPU it may see; empty leaves its choice alone.
      timeout_s: longest wait for its first words.

    Raises:
      WorkerError: it did not come up, or speaks another version of the protocol.
    """

    def __init__(
        self, python: str, python_path: str, fds: Sequence[int], gpu: str, timeout_s: float
    ):
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        ours, theirs = socket.socketpair()
        page = os.memfd_create("screwpush-handshake", os.MFD_CLOEXEC)
        os.ftruncate(page, SIZE)
        self._channel, self.page = messages.Channel(ours), HandshakePage(page)
        handles = str(theirs.fileno()), str(page), str(os.getpid())
        with theirs, open(page, "rb"):
            try:
                self._process = interpreter.start(
                    [python, "-u", "-m", "worker", *handles],
                    python_path,
                    gpu,
                    cwd=_HOME,
                    pass_fds=(theirs.fileno(), page, *fds),
                    stdout=self._log,
                    stderr=self._log,
                )
            except WorkerError:
                for opened in (self._channel, self.page, self._log):
                    opened.close()
                raise
        left = self._process, self._channel, self.page, self._log
        self._end = weakref.finalize(self, _end, *left)
        atexit.register(self._end)  # runs before JAX and Warp, registered earlier, wait for streams
        self.failure = ""
        """Why it was ended, with its last words; empty as long as nothing went wrong."""
        self.python = python
        hello = self._listen(_HELLO, timeout_s)
        if hello.get("hello") != messages.PROTOCOL:
            self._fail(
                f"protocol version mismatch: the worker speaks {hello.get('hello')}, the learner"
                f" {messages.PROTOCOL}; both must come from one installation of this package"
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, message: Message, timeout_s: float, doing: str) -> Message:
        """Its answer to `message`.

        Raises:
          WorkerError: it is gone, gave up, or took longer than `timeout_s`; it has been ended.
        """
        with contextlib.suppress(OSError):  # its last words may still be there to be read
            self._channel.send(message)
        return self._listen(doing, timeout_s)

    def wait(self, request: str, timeout_s: float) -> None:
        """Waits on the host for the answer.

        Raises:
          WorkerError: as `ask`.
        """
        try:
            if not self.page.wait(False, self._channel.sock, 0.0, timeout_s):
                self._interrupted(request)
        except TimeoutError:
            self.time_out(timeout_s, request)

    def listen(self, timeout_s: float) -> None:
        """Returns when it has had nothing to say for that long.

        Raises:
          WorkerError: it gave up or is gone, with its last words; it has been ended.
        """
        try:
            if select.select([self._channel.sock], [], [], timeout_s)[0]:
                self._interrupted("step")
        except (OSError, ValueError):  # socket and log are closed: this process is about to end
            self.failure = self.failure or "the Isaac Gym worker has been ended"
            raise WorkerError(self.failure) from None

    def time_out(self, timeout_s: float, request: str = "step") -> NoReturn:
        """Ends it because it takes too long. Raises `WorkerError`."""
        self._timed_out(_to_answer(request), timeout_s)

    def check(self) -> None:
        """Raises `WorkerError` if it failed before."""
        if self.failure:
            raise WorkerError(self.failure)

    def await_failure(self, timeout_s: float = 2.0) -> str:
        """Why it was ended; whoever listens has that long to hear it. Empty if nothing is wrong."""
        until_s = time.monotonic() + timeout_s
        while not self.failure and time.monotonic() < until_s:
            time.sleep(0.01)
        return self.failure

    def close(self, timeout_s: float = 5.0) -> None:
        """Asks it to end, then makes it. May be called again."""
        if self._end.alive:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self._channel.send({"do": "close"})
                self._process.wait(timeout_s)
            self._end()
        self._process.wait()  # another thread may be about to end it
        atexit.unregister(self._end)
        self.page.close()

    def _listen(self, doing: str, timeout_s: float) -> Message:
        try:
            answer = self._channel.receive(timeout_s)
        except TimeoutError:
            self._timed_out(doing, timeout_s, interpreter.lock_hint())
        except (EOFError, ValueError):
            hint = _NO_PYTHON if doing == _HELLO else ""
            self._fail(f"it {self._how_it_ended()} while it had {doing}{hint}")
        if "error" in answer:
            hint = interpreter.cause_hint(answer["error"])
            self._fail(answer["error"] + hint, answer.get("traceback", ""))
        return answer

    def _interrupted(self, request: str) -> NoReturn:
        doing = _to_answer(request)
        self._fail(f"it said {self._listen(doing, _LAST_WORDS_S)} while it had {doing}")

    def _timed_out(self, doing: str, timeout_s: float, hint: str = "") -> NoReturn:
        self._fail(f"it took longer than {timeout_s:g} s {doing} and was ended{hint}")

    def _how_it_ended(self) -> str:
        try:
            return interpreter.how_it_ended(self._process.wait(2.0))
        except subprocess.TimeoutExpired:
            return "closed its channel"

    def _fail(self, what: str, traceback: str = "") -> NoReturn:
        """Ends it and raises with everything it left behind."""
        said = self._last_lines()
        self.failure = (
            f"the Isaac Gym worker ({self.python}): {what}"
            + (f"\n--- its traceback\n{traceback.rstrip()}" if traceback else "")
            + (f"\n--- its last log lines\n{said}" if said else "")
        )
        self._end()
        raise WorkerError(self.failure)

    def _last_lines(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), 1 << 14, max(0, size - (1 << 14)))
        return "\n".join(text.decode(errors="replace").splitlines()[-_LOG_LINES:])


def _to_answer(request: str) -> str:
    return f"to answer {request!r}"


def _end(
    process: "subprocess.Popen[bytes]", channel: messages.Channel, page: HandshakePage, log
) -> None:
    """Leaves neither process nor zombie nor open file, and nobody who waits for an answer."""
    interpreter.end(process)
    page.release()
    channel.close()
    log.close()
