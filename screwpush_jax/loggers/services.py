"""The processes that bring a run to Weights & Biases and SwanLab, as the one that trains sees them.

Nothing here waits for a service before the run is over, and then only so long. They read what training
writes to its folder anyway; the pipe to them carries nothing, and its end tells them that the run is
over, also when the process that trains was killed.
"""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from screwpush_jax.config import Config, LogConfig
from screwpush_jax.errors import UsageError
from screwpush_jax.loggers.clients import CLIENTS
from screwpush_jax.loggers.notes import NOTES
from screwpush_jax.side_products import attempt, say

_PATIENCE_S = 60.0
"""At the end of a run, for the last metrics and files to arrive."""
_SHORT_PATIENCE_S = 5.0
"""For a run that was stopped, which goes on."""


def check_installed(config: Config) -> None:
    """Raises UsageError for a logger that was asked for and is not there."""
    for name in CLIENTS:
        if name in config.log.to and not _is_installed(name):
            raise UsageError(
                f"--log.to {name} needs the package {name}: pip install 'screwpush-jax[{name}]'"
            )


class Services:
    """The services in `log.to`, from `__enter__` to `__exit__`.

    One that cannot be started, fails, dies or hangs is said in one line; the run goes on without it.
    """

    def __init__(self, config: Config, run_dir: Path, patience_s: float = _PATIENCE_S):
        self._config, self._run_dir, self._patience_s = config.log, run_dir, patience_s
        self._running: list[_Service] = []

    def __enter__(self) -> "Services":
        for name in CLIENTS:
            if name in self._config.to:
                with attempt(f"no metrics go to {name}"):
                    self._running.append(_Service(name, self._run_dir, self._project(name)))
        return self

    def hurry(self) -> None:
        """The run was stopped: whoever stopped it does not wait for long."""
        self._patience_s = min(self._patience_s, _SHORT_PATIENCE_S)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.hurry()
        for service in self._running:
            service.end_input()
        deadline = time.monotonic() + self._patience_s
        while self._running:
            self._running.pop().close(deadline, self._patience_s)

    def _project(self, name: str) -> str:
        """Ours, unless it is the default and the service's variable names another."""
        default = self._config.project == LogConfig.project
        return "" if default and f"{name.upper()}_PROJECT" in os.environ else self._config.project


class _Service:
    """One process, and a thread that repeats what it says."""

    def __init__(self, name: str, run_dir: Path, project: str):
        self._name, self._closing = name, False
        notes = run_dir / NOTES
        notes.mkdir(exist_ok=True)
        self._log = notes / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "screwpush_jax.loggers.worker", name, str(run_dir), project],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is for the one that trains
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def end_input(self) -> None:
        """Tells it that the run is over."""
        with contextlib.suppress(OSError):
            assert self._process.stdin
            self._process.stdin.close()

    def close(self, deadline: float, patience_s: float) -> None:
        """Waits until all has arrived, or `time.monotonic()` is `deadline`; then it is ended."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._closing = True
            say(
                f"the last metrics may be missing in {self._name}, which was not done"
                f" {patience_s:.0f} s after the run; see {self._log}"
            )
        with contextlib.suppress(OSError):  # whatever it has started with it
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join(1.0)
        if not self._listener.is_alive() and self._process.stdout:
            self._process.stdout.close()

    def _listen(self) -> None:
        """Says what it says; one that goes without a word is told of."""
        heard = 0
        assert self._process.stdout
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                say(line.decode(errors="replace").strip())
                heard += 1
        code = self._process.wait()
        if code and not heard and not self._closing:
            say(f"no more metrics go to {self._name}: its process ended ({code}); see {self._log}")


def _is_installed(name: str) -> bool:
    """A folder of that name, such as the service itself leaves, is a package to Python, too."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None
