"""A command under way, the processes of it that may be killed, and whether any outlives it."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from screwpush_jax import cluster

Kill = Literal["rank", "first", "SIGTERM", "SIGKILL"]
"""SIGKILL to a process of several other than the first, or to the first; or that signal to the command itself,
which of several processes is their launcher."""
_MARK = "SCREWPUSH_BENCHMARK_COMMAND"


class Command:
    """`python -m screwpush_jax.train`, and all processes that it has started."""

    def __init__(self, args: Sequence[str], folder: Path, env: Mapping[str, str]):
        self._mark, self._begun = uuid.uuid4().hex, time.monotonic()
        with (folder / "output.txt").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "screwpush_jax.train", *args],
                cwd=folder,
                env={**os.environ, **env, _MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def ended_by(self, reached: Callable[[], bool], delay_s: float) -> bool:
        """Waits until so many seconds after `reached` first holds; whether the command has ended by then."""
        while not reached() and self._process.poll() is None:
            time.sleep(0.02)
        try:
            self._process.wait(delay_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def age_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._begun

    def kill(self, kind: Kill, choice: int = 0) -> bool:
        """Does that, as soon as there is such a process; False where none comes before the end.

        `choice` picks one of several.
        """
        if kind in ("SIGTERM", "SIGKILL"):
            self._process.send_signal(signal.Signals[kind])
            return True
        while self._process.poll() is None:
            ranks = self._ranks()
            fitting = [
                ranks[number] for number in sorted(ranks) if (number == 0) == (kind == "first")
            ]
            try:
                if fitting:
                    os.kill(fitting[choice % len(fitting)], signal.SIGKILL)
                    return True
            except ProcessLookupError:
                continue
            if ranks and self._is_late(ranks):
                return False
            time.sleep(0.02)
        return False

    def _is_late(self, ranks: Mapping[int, int]) -> bool:
        """Whether all but the first have ended, which evaluates alone, and none is still to be started."""
        time.sleep(1.0)
        return list(self._ranks()) == list(ranks) == [0]

    def end(self) -> tuple[int, float]:
        """Waits for it: its exit code (128 + n for signal n), and when it came, seconds from the start."""
        code = self._process.wait()
        return (code if code >= 0 else 128 - code), self.age_s

    def outlived_s(self, limit_s: float) -> float:
        """How long after the command's end the last process that it had started was there; what still is
        after the limit is ended, and counts as infinitely long."""
        begun = time.monotonic()
        while left := self._own():
            if time.monotonic() - begun > limit_s:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
                return float("inf")
            time.sleep(0.05)
        return time.monotonic() - begun

    def _ranks(self) -> dict[int, int]:
        """Process ids by their number among those that train together."""
        return {
            int(variables[cluster.INDEX]): pid
            for pid, variables in self._own().items()
            if cluster.INDEX in variables and _parent(pid) == self._process.pid
        }

    def _own(self) -> dict[int, dict[str, str]]:
        """The environment variables of each process that is there, by its id."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                raw = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:  # gone, or somebody else's
                continue
            variables = dict(text.split("=", 1) for text in raw.split("\0") if "=" in text)
            if variables.get(_MARK) == self._mark:
                found[int(entry.name)] = variables
        return found


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
