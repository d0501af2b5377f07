"""The handshake on the host: the learner asks and waits for the answer."""

import time
from collections.abc import Callable

import numpy as np

from screwpush_sim.clock import HostClock, Report
from screwpush_sim.engines.isaacgym.process import Worker
from screwpush_sim.engines.isaacgym.worker.handshake import Request


class HostHandshake:
    """The handshake with `worker`.

    Args:
      worker: one that is ready and has not been asked anything.
      pack: whether the worker must pack its state into the block.
      limit_s: longest time that it may take to answer.
      count: `[1]`, the environments in the list of new states; 0 after a step.
    """

    def __init__(self, worker: Worker, pack: bool, limit_s: float, count: np.ndarray):
        self._worker, self._pack, self._limit_s, self._count = worker, pack, limit_s, count
        self._clock, self._handover_s = HostClock(), 0.0

    def step(self) -> None:
        """A step from beginning to end. Raises `WorkerError`."""
        self._clock.begin()
        begin = time.perf_counter()
        rows, self._count[0] = int(self._count[0]), 0
        busy_s = self._ask("step", rows)
        self._handover_s += time.perf_counter() - begin - busy_s
        self._clock.end()

    def show(self, rows: int) -> None:
        """The new states of the first `rows` environments of the list appear. Raises `WorkerError`."""
        self._ask("show", rows)

    def synchronize(self) -> None:
        """All that was asked has been answered. Raises `WorkerError` if the worker has failed."""
        self._worker.check()

    def check(self) -> None:
        """Raises `WorkerError` if the worker has failed."""
        self._worker.check()

    def lap(self) -> Callable[[], Report]:
        """The figures since the last lap."""
        lap = self._clock.lap()
        handover_ms, self._handover_s = 1e3 * self._handover_s, 0.0
        return lambda: lap() | {"perf/handover_ms": handover_ms}

    def _ask(self, what: str, rows: int) -> float:
        """Returns how long the worker was busy, seconds."""
        self._worker.check()
        page = self._worker.page
        page.put(Request(what, self._pack, rows))
        number = page.ask()
        self._worker.wait(what, self._limit_s)
        return page.busy_s(number - 1, number)
