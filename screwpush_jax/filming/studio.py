"""Has films rendered while training goes on: a thread, a bounded queue, and a process for each job.

The thread waits for the device and writes the job's file; the process draws. What fails, hangs or is
not there costs one line, and from then on no more films are taken.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from screwpush_jax.filming import job as jobs
from screwpush_jax.filming.job import Ask
from screwpush_jax.side_products import reason, say

WORKER = (sys.executable, "-m", "screwpush_jax.filming.worker")
_ROOM = 2
"""Films that may wait."""
_NICE = 19
"""Whoever trains goes first."""
_ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "LP_NUM_THREADS": "1"}
"""The renderer only moves numbers about, and OpenGL in software is not to take every core."""


class Studio:
    """Takes jobs from one thread and never makes it wait, `close` aside."""

    def __init__(self, limit_s: float = 600.0, worker: Sequence[str] = WORKER):
        """`limit_s`: a job that takes longer counts as hung. `worker`: the command that renders."""
        self._limit_s, self._worker = limit_s, tuple(worker)
        self._queue: queue.Queue[tuple[str, Ask] | None] = queue.Queue(_ROOM)
        self._given_up = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name="films", daemon=True)
        self._thread.start()

    @property
    def open(self) -> bool:
        """Whether films are still taken."""
        return not self._given_up.is_set()

    @property
    def idle(self) -> bool:
        """Whether nothing is being rendered, and nothing waits for it."""
        return not self.open or self._queue.unfinished_tasks == 0

    def submit(self, what: str, ask: Ask) -> None:
        """Hands in a job; one for which there is no room is left out."""
        if not self.open:
            return
        try:
            self._queue.put_nowait((what, ask))
        except queue.Full:
            say(f"{what} is left out: the renderer has not kept up")

    def close(self, wait_s: float) -> None:
        """Waits for what was handed in, at most `wait_s`; then the renderer is ended."""
        deadline, told = time.monotonic() + wait_s, False
        while self._thread.is_alive() and self.open:
            if not told:
                with contextlib.suppress(queue.Full):
                    self._queue.put_nowait(None)  # behind what was handed in
                    told = True
            if time.monotonic() > deadline:
                say("a film was not finished in time; it is left out")
                break
            self._thread.join(0.05)
        self._given_up.set()
        if process := self._process:
            _kill(process)
        self._thread.join(5.0)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None and self.open:
            what, ask = item
            try:
                self._render(ask)
            except BaseException as error:  # whatever it was, it must not end the process
                if self.open:
                    say(f"{what} could not be made, no more are: {reason(error)}")
                self._given_up.set()
            self._queue.task_done()

    def _render(self, ask: Ask) -> None:
        with tempfile.TemporaryDirectory(prefix="screwpush-film-") as folder:
            path = Path(folder) / "job"
            job = ask()
            jobs.save(job, path)
            self._process = process = subprocess.Popen(
                [*self._worker, str(path)],
                env={**os.environ, **_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for training
            )
            with contextlib.suppress(AttributeError, OSError):  # not everywhere
                os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
            try:
                _, said = process.communicate(timeout=self._limit_s)
            except subprocess.TimeoutExpired:
                raise TimeoutError(f"the renderer hung for {self._limit_s:g} s") from None
            finally:
                if process.poll() is None:
                    _kill(process)
                    process.communicate()
                self._process = None
                for part in jobs.parts(job, process.pid):
                    part.unlink(missing_ok=True)
            if process.returncode:
                lines = said.decode(errors="replace").split("\n")
                last = next((line for line in reversed(lines) if line.strip()), "")
                raise RuntimeError(f"the renderer ended with {process.returncode}: {last}")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """The renderer and the encoder that it started: they are a group of their own."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
