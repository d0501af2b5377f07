"""The toy task and engine of `tests/outside`, for every door."""

from collections.abc import Iterator
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def toys(registered_toys) -> Iterator[ModuleType]:
    """The module with `MarkTask` on the engine `rail`, registered as another package's would be."""
    with registered_toys() as module:
        yield module
