"""The toy task and engine of `tests/outside`, for every door."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from screwpush_jax.tasks import registry as tasks
from screwpush_sim import registry as engines

TOYS = Path(__file__).parent.parent / "outside"


@pytest.fixture(scope="session")
def toys() -> Iterator[ModuleType]:
    """The module with `MarkTask` on the engine `rail`, registered as another package's would be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOYS))
        patch.setattr(tasks, "TASKS", dict(tasks.TASKS))
        patch.setattr(engines, "ENGINES", dict(engines.ENGINES))
        import toys as module

        tasks.register(module.MarkTask)
        engines.register(module.ENGINE)
        yield module
        sys.modules.pop("toys")
