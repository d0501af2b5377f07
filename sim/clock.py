"""How long physics took, and what lay between its steps: the same figures for every engine."""

import time
from collections.abc import Callable, Sequence

Report = dict[str, float]
"""Figures by metric name (`perf/..`)."""


def step_times(
    begins_s: Sequence[float], ends_s: Sequence[float], last_end_s: float | None
) -> Report:
    """Figures of consecutive control steps that began and ended at these times (s).

    `perf/iteration_ms` reaches from `last_end_s`, the end of the step before them (or from the first
    begin), to the last end. `perf/sim_ms` is the sum of the steps. `perf/transition_ms` is the sum
    of the pauses, scaled up from those between these steps to one for each: the pause before the
    first one holds the update, too, and `perf/update_ms` is what it and the host take of the rest.
    """
    names = ("iteration", "sim", "transition", "update")
    count = len(begins_s)
    if count == 0:
        return {f"perf/{name}_ms": 0.0 for name in names}
    whole = ends_s[-1] - (begins_s[0] if last_end_s is None else last_end_s)
    busy = sum(end - begin for begin, end in zip(begins_s, ends_s, strict=True))
    pauses = sum(begin - end for begin, end in zip(begins_s[1:], ends_s[:-1], strict=True))
    pauses *= count / (count - 1) if count > 1 else 0.0
    pauses = min(pauses, whole - busy)  # scaled up, it may be more than there was
    times_s = (whole, busy, pauses, max(whole - busy - pauses, 0.0))
    return {f"perf/{name}_ms": 1e3 * time_s for name, time_s in zip(names, times_s, strict=True)}


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
