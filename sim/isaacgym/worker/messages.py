"""Lines of JSON over a private socket pair: all that learner and worker say to each other.

Arrays never travel here; they lie in the block of `layout`. The learner asks, the worker answers
once to each question::

    worker  -> {"hello": PROTOCOL, "python": "3.8.18"}
    learner -> {"protocol": PROTOCOL, "num_envs": ..., ...}   scene, options, where the block lies
    worker  -> {"ready": true, ...}                           after the scene stands
    learner -> {"do": "step"} | {"do": "show"}                see `stepper`
    worker  -> {"busy_s": ...}

Instead of any answer the worker may send `{"error": one line, "traceback": text}` and end.
"""

import json
import socket
import time
from typing import Any, Dict, Optional

PROTOCOL = 1
"""Raised by one with every change of the messages or of the block's layout."""

Message = Dict[str, Any]


class Channel:
    """One end of the socket pair."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""

    def send(self, message: Message) -> None:
        """Raises BrokenPipeError if the other side is gone."""
        self._sock.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, timeout_s: Optional[float] = None, spin_s: float = 0.0) -> Message:
        """The next message.

        Looks for it without pause for `spin_s`, which saves the time in which the system would wake
        this process up; then sleeps until it comes.

        Raises:
          EOFError: the other side is gone.
          socket.timeout: nothing came within `timeout_s`.
        """
        begin = time.monotonic()
        deadline = None if timeout_s is None else begin + timeout_s
        while b"\n" not in self._rest and time.monotonic() < begin + spin_s:
            self._rest += self._glimpse()
        while b"\n" not in self._rest:
            left = None if deadline is None else max(deadline - time.monotonic(), 1e-3)
            self._sock.settimeout(left)
            try:
                part = self._sock.recv(1 << 16)
            except ConnectionError:
                part = b""
            finally:
                self._sock.settimeout(None)
            if not part:
                raise EOFError("the other side is gone")
            self._rest += part
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line.decode())

    def _glimpse(self) -> bytes:
        """What lies here already; what an end of the line would say is left to the caller's sleep."""
        try:
            return self._sock.recv(1 << 16, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionError):
            return b""

    def close(self) -> None:
        self._sock.close()
