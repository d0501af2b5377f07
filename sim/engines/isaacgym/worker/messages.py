"""Lines of JSON over a private socket pair: how learner and worker begin and end.

Arrays never travel here; they lie in the block of `block_layout`. Steps do not, either; they are asked
for and answered in the page of `handshake`::

    worker  -> {"hello": PROTOCOL, "python": "3.8.18"}
    learner -> {"protocol": PROTOCOL, "scene": ..., ...}      scene, options, where the block lies
    worker  -> {"ready": true, "not_taken": [...], "remarks": [...], ...}   after the scene stands
    learner -> {"do": "close"}                                the last words

`not_taken` has a line for each property that does not read as it was set, `remarks` what else was odd.
At any time the worker may send `{"error": one line, "traceback": text}` and end.
"""

import json
import socket
import time
from typing import Any, Dict, Optional

PROTOCOL = 6
"""Raised by one with every change of the messages, the handshake or the block's layout."""

Message = Dict[str, Any]


class Channel:
    """One end of the socket pair."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._rest = b""

    def send(self, message: Message) -> None:
        """Raises BrokenPipeError if the other side is gone."""
        self.sock.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, timeout_s: Optional[float] = None) -> Message:
        """The next message.

        Raises:
          EOFError: the other side is gone.
          socket.timeout: nothing came within `timeout_s`.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            left = None if deadline is None else max(deadline - time.monotonic(), 1e-3)
            self.sock.settimeout(left)
            try:
                part = self.sock.recv(1 << 16)
            except ConnectionError:
                part = b""
            finally:
                self.sock.settimeout(None)
            if not part:
                raise EOFError("the other side is gone")
            self._rest += part
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line.decode())

    def close(self) -> None:
        self.sock.close()
