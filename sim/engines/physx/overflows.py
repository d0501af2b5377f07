"""Buffers of a GPU that were too small: PhysX tells of them by its log alone.

It says neither how full a buffer is nor which scenes lost contacts, only that a physics step has asked for
more, and mostly for how much.
"""

import logging
import math
import re
import threading

_LOST = re.compile(r"buffer overflow|will miss interactions|have been dropped", re.I)
_ASKED = re.compile(r"(?:at least|capacity(?: buffers)? to) (\d+)", re.I)
_ROOM = {
    "collision-stack-mb": re.compile(r"collisionStackSize", re.I),
    "pairs-per-scene": re.compile(r"pairsCapacity", re.I),
    "patches-per-scene": re.compile(r"patch buffer", re.I),
    "contacts-per-scene": re.compile(r"(contact|force) buffer", re.I),
}
"""Options by the messages that they answer."""
_MARGIN = 1.25


class Overflows(logging.Handler):
    """Counts the messages of buffers that were too small, from whatever thread, and keeps the last."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._mutex = threading.Lock()
        self._count, self._last = 0, ""
        self.addFilter(lambda record: bool(_LOST.search(record.getMessage())))

    def emit(self, record: logging.LogRecord) -> None:
        with self._mutex:
            self._count, self._last = self._count + 1, record.getMessage().strip()

    def take(self) -> tuple[int, str]:
        """How many came since the last call, and the last of all."""
        with self._mutex:
            count, self._count = self._count, 0
            return count, self._last


def remedy(message: str, num_envs: int) -> str:
    """Which option answers this message, and the value that holds what was asked for and a quarter more."""
    flag = next((flag for flag, said in _ROOM.items() if said.search(message)), None)
    if flag is None:
        return f"raise --physx.{', --physx.'.join(_ROOM)}"
    asked = _ASKED.search(message)
    if asked is None:
        return f"raise --physx.{flag}"
    unit = 1 << 20 if flag == "collision-stack-mb" else num_envs
    return f"raise --physx.{flag} to {math.ceil(_MARGIN * int(asked[1]) / unit)} or more"
