"""The handshake by a stream of the learner's GPU: the host asks ahead and waits for nothing.

A step is two commands on the stream. One writes the request's number into the shared page, when
all that was queued before it is done; the next holds the stream until the worker has written the
answer's. So the host queues transition and update while the worker still steps, as it does with an
engine of its own process, and what the two need of each other is ordered by the streams alone.

JAX's streams wait for the same word, not for an event of this stream: on an H200, one stream that
waits for an event of a stream that is held keeps the GPU for whole time slices, and the worker's
kernels wait for theirs (2.1 ms instead of 13 us for a small one, 15.4 instead of 7.0 ms for 7 ms of
work). Streams that wait for a word of memory cost the other process nothing.

A worker that dies would hold the stream for ever, and whoever waits for the stream. A thread listens
to it: when it has failed it is ended, and then everything it may still be asked counts as answered.
What the stream computes from there on is worth nothing, and every later call says so.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import warp as wp

from screwpush_sim import bridge, gpu
from screwpush_sim.clock import Report
from screwpush_sim.engines.isaacgym.process import Worker
from screwpush_sim.engines.isaacgym.worker import handshake
from screwpush_sim.engines.isaacgym.worker.cuda import Cuda
from screwpush_sim.engines.isaacgym.worker.handshake import Request
from screwpush_sim.errors import WorkerError
from screwpush_sim.event_clock import make_clock

_LISTEN_S = 0.02


class StreamHandshake:
    """The handshake with `worker`, by the stream of `device`.

    Args:
      worker: one that is ready and has not been asked anything.
      cuda: the driver, on the same device.
      device: the Warp device whose stream writes what the worker reads.
      pack: whether the worker must pack its state into the block.
      limit_s: longest time that it may take to answer.
      jax_stream: the stream on which JAX computes; None where it is not known.
    """

    def __init__(
        self,
        worker: Worker,
        cuda: Cuda,
        device: "wp.Device",
        pack: bool,
        limit_s: float,
        jax_stream: int | None,
    ):
        self._worker, self._cuda, self._device = worker, cuda, device
        self._jax_stream = jax_stream
        self._pack, self._limit_s = pack, limit_s
        self._clock = make_clock(device)
        self._number = self._lapped = 0
        self._page = worker.page.address
        self._there = cuda.register(self._page, handshake.SIZE)
        self.rows_address = self._there + handshake.ROWS_BYTE
        """Where the stream has to write how many environments have a new state, before it asks."""
        worker.page.put(Request("step", pack, 0))
        self._closed = threading.Event()
        self._listener = threading.Thread(
            target=self._listen, name="isaacgym-listener", daemon=True
        )
        self._listener.start()

    def step(self) -> None:
        """Queues a step. Raises `WorkerError` if an earlier one is known to have failed."""
        self.check()
        self._clock.begin()
        self._pass()
        self._clock.end()

    def show(self, rows: int) -> None:
        """The new states of the first `rows` environments of the list appear. Raises `WorkerError`."""
        self.synchronize()
        self._worker.page.put(Request("show", self._pack, rows))
        self._pass()
        self.synchronize()
        self._worker.page.put(Request("step", self._pack, 0))

    def to_jax(self, arrays: "dict[str, wp.array]") -> dict[str, jax.Array]:
        """What the worker writes, as JAX arrays, zero-copy; read after its answer to the last step."""
        if self._jax_stream is not None:
            self._hold(self._jax_stream)
        return {name: bridge.to_jax(_Answered(array, self._hold)) for name, array in arrays.items()}

    def synchronize(self) -> None:
        """Returns when all that was queued has been answered.

        Raises:
          WorkerError: it was not.
          DeviceLostError: the stream is gone.
        """
        with gpu.waiting():
            wp.synchronize_stream(self._device.stream)
        self.check()

    def check(self) -> None:
        """Raises `WorkerError` if the worker is known to have failed."""
        self._worker.check()

    def lap(self) -> Callable[[], Report]:
        """The figures since the last lap; what it returns waits for the last of these steps."""
        lap, begin, end = self._clock.lap(), self._lapped, self._number
        self._lapped = end

        def read() -> Report:
            report = lap()
            self.check()
            busy_ms = 1e3 * self._worker.page.busy_s(begin, end)
            return report | {"perf/handover_ms": report["perf/sim_ms"] - busy_ms}

        return read

    def close(self) -> None:
        """Gives the page back, when the stream is done with it."""
        wp.synchronize_stream(self._device.stream)
        self._closed.set()
        self._listener.join()
        self._cuda.unregister(self._page)

    def _pass(self) -> None:
        stream = self._device.stream.cuda_stream
        self._number = handshake.next_number(self._number)
        self._cuda.write(stream, self._there + handshake.REQUESTED_BYTE, self._number)
        self._hold(stream)

    def _hold(self, stream: int) -> None:
        self._cuda.wait(stream, self._there + handshake.ANSWERED_BYTE, self._number)

    def _listen(self) -> None:
        pending, since_s = None, time.monotonic()
        try:
            while not self._closed.is_set():
                self._worker.listen(_LISTEN_S)
                now = self._worker.page.pending
                if now is None or now != pending:
                    pending, since_s = now, time.monotonic()
                elif time.monotonic() - since_s > self._limit_s:
                    self._worker.time_out(self._limit_s)
        except WorkerError:
            pass  # the worker keeps it for `check`


class _Answered:
    """Exports `array` to a stream that waits for the worker's answer instead of Warp's stream."""

    def __init__(self, array: "wp.array", hold: Callable[[int], None]):
        self._array, self._hold = array, hold

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __dlpack__(self, *, stream: Any = None) -> Any:
        if stream is not None:
            self._hold(stream)
        return self._array.__dlpack__(stream=-1)
