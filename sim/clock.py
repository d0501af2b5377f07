"""How long physics took, and what lay between its steps: the same figures for every engine."""

import time
from collections.abc import Callable, Sequence

Report = dict[str, float]
"""Figures by metric name (`perf/..`)."""


def step_times(
    begins_s: Sequence[float], ends_s: Sequence[float], last_end_s: float | None
) -> Report:
    """What was measured of consecutive control steps that began and ended at these times (s).

    `perf/steps` says how many they are, `perf/sim_ms` is their sum and `perf/pause_ms` that of the
    pauses between them, one fewer. `perf/elapsed_ms` reaches from `last_end_s`, the end of the step
    before them (or from the first begin), to the last end. What was done in the pauses, and before the
    first step, is not for a simulator to know.
    """
    count = len(begins_s)
    if count == 0:
        return dict.fromkeys(("perf/steps", "perf/elapsed_ms", "perf/sim_ms", "perf/pause_ms"), 0.0)
    elapsed_s = ends_s[-1] - (begins_s[0] if last_end_s is None else last_end_s)
    sim_s = sum(end - begin for begin, end in zip(begins_s, ends_s, strict=True))
    pause_s = sum(begin - end for begin, end in zip(begins_s[1:], ends_s[:-1], strict=True))
    return {
        "perf/steps": float(count),
        "perf/elapsed_ms": 1e3 * elapsed_s,
        "perf/sim_ms": 1e3 * sim_s,
        "perf/pause_ms": 1e3 * pause_s,
    }


class HostClock:
    """Times steps that have ended when the call returns."""

    def __init__(self) -> None:
        self._begins_s: list[float] = []
        self._ends_s: list[float] = []
        self._last_end_s: float | None = None

    def begin(self) -> None:
        self._begins_s.append(time.perf_counter())

    def end(self) -> None:
        self._ends_s.append(time.perf_counter())

    def lap(self) -> Callable[[], Report]:
        """The figures since the last lap, to be asked for later."""
        report = step_times(self._begins_s, self._ends_s, self._last_end_s)
        self._last_end_s = self._ends_s[-1] if self._ends_s else self._last_end_s
        self._begins_s, self._ends_s = [], []
        return lambda: report
