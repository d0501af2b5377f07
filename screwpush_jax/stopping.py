"""How a run is asked to stop: Ctrl-C, SIGTERM, SIGHUP, or nobody reads its output any more.

A request is heard between two steps, and what was learned is saved. While kernels compile that may
take minutes and there is nothing new to save: there the process ends at once. A thread of its own
hears the signals, because Python's handlers wait for the compiler to return.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopper:
    """Turns signals into a request to stop, from `__enter__` to `__exit__`.

    A second signal changes nothing: it must not spoil the save. Outside the main thread, where
    Python hears no signals, only `request` asks for a stop.

    Args:
      clean_up: called before a sudden end, in another thread; removes what is not worth keeping and
        returns what the user should know.
    """

    def __init__(self, clean_up: Callable[[], str]):
        self.signal: int | None = None
        """The signal that asked for it."""
        self._clean_up = clean_up
        self._lock = threading.RLock()
        self._compiling = 0
        self._undo = contextlib.ExitStack()

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """0 for Ctrl-C, which a person meant; else 128 + the signal's number: not done."""
        return 0 if self.signal in (None, signal.SIGINT) else 128 + self.signal

    def request(self, number: int) -> None:
        """Asks for a stop, as signal `number` would."""
        with self._lock:
            if self.signal is None:
                self.signal = number
            if self._compiling:
                self._end_now()

    @contextlib.contextmanager
    def nothing_to_save(self) -> Iterator[None]:
        """Around set-up and what compiles: a stop ends the process at once."""
        with self._lock:
            self._compiling += 1
            if self.requested:
                self._end_now()
        try:
            yield
        finally:
            with self._lock:
                self._compiling -= 1

    def __enter__(self) -> "Stopper":
        if threading.current_thread() is threading.main_thread():
            self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _listen(self) -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        undo = self._undo
        undo.callback(ours.close)
        heard = threading.Thread(target=self._hear, args=(ours,), daemon=True)
        heard.start()
        undo.callback(heard.join, 1.0)
        undo.callback(theirs.close)  # ends the thread
        undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(theirs.fileno()))
        for number in _SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # under nohup
            undo.callback(signal.signal, number, signal.signal(number, _heard_elsewhere))

    def _hear(self, ours: socket.socket) -> None:
        while numbers := ours.recv(64):
            for number in numbers:
                if number in _SIGNALS:
                    self.request(number)

    def _end_now(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(f"stopped: {self._clean_up()}", file=sys.stderr, flush=True)
        os._exit(128 + (self.signal or 0))


def drop_output() -> None:
    """Nobody reads standard output any more: what is still printed goes nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _heard_elsewhere(number: int, frame: FrameType | None) -> None:
    """A handler must be there for the signal to reach the thread that listens."""
