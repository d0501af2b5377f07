"""The processes of one attempt at a run: started together, heard together, ended together."""

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import IO

from screwpush_jax import cluster
from screwpush_jax.cli import LOST

_POLL_S, _HELD_S, _END_S = 0.05, 1.0, 60.0
"""How often to look, how long errors are held back, how long one may outlive others when told to stop."""
_STOPPED = tuple(128 + number for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE))
"""Exit codes of those that were asked to stop, and did."""
_LATE = (-signal.SIGABRT, LOST)
"""How JAX, and how we end a process that has lost another one."""
_RUN = "run "
"""How the line begins with which the first process names the run's folder."""
_PIPE = "SCREWPUSH_LAUNCHER_PIPE"
"""Says a process the end of a pipe that is closed when its launcher is gone."""


def end_with_launcher() -> None:
    """Lets a process of a crew end when its launcher is gone, however that went: it is asked to
    stop, as by SIGTERM, and so saves what it has. One that nobody launched is left alone."""
    pipe = os.environ.pop(_PIPE, "")
    if pipe:
        threading.Thread(target=_end_after, args=(int(pipe),), daemon=True).start()


def _end_after(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_END_S)
    os.killpg(0, signal.SIGKILL)


class Crew:
    """The processes of one attempt."""

    def __init__(self, count: int, gpus: list[str] | None, argv: Sequence[str]):
        self.run_dir, self.lost = "", ""
        """The run's folder, once it is known; and in one line how the attempt ended, if badly."""
        self.killed = False
        """Whether that was a signal's doing."""
        self._held: deque[tuple[float, int, str]] = deque()
        port = free_port()
        theirs, self._ours = os.pipe()  # closed with this process, whatever ends it
        self._processes = [
            self._start(index, count, port, theirs, gpus[index] if gpus else None, argv)
            for index in range(count)
        ]
        os.close(theirs)
        self._readers = [
            threading.Thread(target=read, args=(index, pipe), daemon=True)
            for index, process in enumerate(self._processes)
            for read, pipe in ((self._pass_on, process.stdout), (self._hold, process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def wait(self) -> int:
        """Until all have ended; signals are passed on. The exit code of the whole."""
        with self._signals() as heard:
            while self._running() and not self._failed():
                self._release(before=time.monotonic() - _HELD_S)
                time.sleep(_POLL_S)
                stopping = heard or any(code in _STOPPED for code in self._codes())
                if stopping and len(self._running()) < len(self._processes):
                    self._await(_END_S)
                    break
            if self._failed() and not heard:
                time.sleep(_HELD_S)  # the one that failed first may have failed the others
                self._end(*self._failed()[0])
            self._kill()
        for reader in self._readers:
            reader.join(5.0)
        os.close(self._ours)
        self._release(without=self._late() if heard else ())
        codes = [code for _, code in self._failed()] + [code for code in self._codes() if code]
        if heard:  # one that waited for another that had stopped has not failed
            codes.sort(key=lambda code: code in _LATE)
        return next((128 - code if code < 0 else code for code in codes), 0)

    def _running(self) -> list["subprocess.Popen[str]"]:
        return [process for process in self._processes if process.poll() is None]

    def _codes(self) -> list[int | None]:
        return [process.poll() for process in self._processes]

    def _failed(self) -> list[tuple[int, int]]:
        """Number and exit code of those that ended badly; first the one that others ended for."""
        codes = [(index, code) for index, code in enumerate(self._codes()) if code]
        bad = [(index, code) for index, code in codes if code not in _STOPPED]
        return sorted(bad, key=lambda pair: (pair[1] in _LATE, pair[1]))

    def _late(self) -> list[int]:
        """Those that ended because another one had."""
        return [index for index, code in enumerate(self._codes()) if code in _LATE]

    def _end(self, index: int, code: int) -> None:
        """Ends all because of one; what the others say of it is dropped."""
        self.killed = code < 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self.lost = f"process {index} of {len(self._processes)} {how}, and all were ended"
        self._kill()
        self._release(without=[other for other in range(len(self._processes)) if other != index])

    def _kill(self) -> None:
        """Ends those that still run, with all that they started."""
        for process in self._running():
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self._processes:
            process.wait()

    def _await(self, seconds: float) -> None:
        """Until all have ended, but no longer than that."""
        deadline = time.monotonic() + seconds
        while self._running() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _start(
        self,
        index: int,
        count: int,
        port: int,
        pipe: int,
        gpu_name: str | None,
        argv: Sequence[str],
    ) -> "subprocess.Popen[str]":
        own = {
            cluster.ADDRESS: f"127.0.0.1:{port}",
            cluster.COUNT: str(count),
            cluster.INDEX: str(index),
            _PIPE: str(pipe),
        }
        if gpu_name is not None:
            own[cluster.VISIBLE] = gpu_name
        return subprocess.Popen(
            [sys.executable, "-m", "screwpush_jax.train", *argv],
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            pass_fds=(pipe,),
            start_new_session=True,  # Ctrl-C reaches them once, through this process
        )

    def _pass_on(self, index: int, pipe: IO[str]) -> None:
        for line in pipe:
            if index == 0 and not self.run_dir and line.startswith(_RUN):
                self.run_dir = line.removeprefix(_RUN).strip()
            with contextlib.suppress(OSError, ValueError):
                print(f"[{index}] {line}", end="", flush=True)

    def _hold(self, index: int, pipe: IO[str]) -> None:
        """Errors are said a moment later: where one process fails, all others complain."""
        for line in pipe:
            self._held.append((time.monotonic(), index, line))

    def _release(self, before: float = math.inf, without: Collection[int] = ()) -> None:
        while self._held and self._held[0][0] < before:
            _, index, line = self._held.popleft()
            if index not in without:
                print(f"[{index}] {line}", end="", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[list[int]]:
        """Passes on what asks to stop; what was heard."""
        heard: list[int] = []

        def on(number: int, _: object) -> None:
            heard.append(number)
            for process in self._running():
                with contextlib.suppress(OSError):
                    process.send_signal(number)

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, on) for number in numbers}
        try:
            yield heard
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
