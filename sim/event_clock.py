"""Times of steps on a device, by events between its own commands."""

from collections.abc import Callable

import warp as wp

from screwpush_sim.clock import HostClock, Report, step_times


class EventClock:
    """Times what a Warp device does between `begin` and `end`; nothing waits for anything."""

    def __init__(self, device: "wp.Device"):
        self._device = device
        self._events: list[wp.Event] = []
        self._last_end: wp.Event | None = None

    def begin(self) -> None:
        self._record()

    def end(self) -> None:
        self._record()

    def lap(self) -> Callable[[], Report]:
        """The figures since the last lap; what it returns waits for the last of these steps."""
        events, last_end = self._events, self._last_end
        self._events, self._last_end = [], events[-1] if events else last_end

        def read() -> Report:
            if not events:
                return step_times([], [], None)
            wp.synchronize_event(events[-1])
            zero = last_end or events[0]
            times_s = [1e-3 * wp.get_event_elapsed_time(zero, e, synchronize=False) for e in events]
            return step_times(times_s[::2], times_s[1::2], 0.0)

        return read

    def _record(self) -> None:
        event = wp.Event(self._device, enable_timing=True)
        self._device.stream.record_event(event)
        self._events.append(event)


def make_clock(device: "wp.Device") -> EventClock | HostClock:
    """The clock for steps on `device`: Warp's CPU device has done them when the call returns."""
    return EventClock(device) if device.is_cuda else HostClock()
