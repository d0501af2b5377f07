"""Tasks and engines that other installed packages bring, found by their entry points.

A package declares, for instance in its pyproject.toml::

    [project.entry-points."screwpush_jax.tasks"]
    reach = "my_package.reach:ReachTask"      # a class that is a screwpush_jax.tasks.task.Task

    [project.entry-points."screwpush_jax.engines"]
    mine = "my_package.engine:ENGINE"         # a screwpush_sim.registry.EngineDef
"""

import functools
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from screwpush_jax.side_products import reason
from screwpush_jax.tasks import registry as tasks
from screwpush_sim import registry as engines

_GROUPS: dict[str, Callable[[Any], None]] = {
    "screwpush_jax.tasks": tasks.register,
    "screwpush_jax.engines": engines.register,
}


@functools.cache
def load() -> None:
    """Registers what is there, once in a process.

    One that cannot be had is told in one line: whoever asked for something else can go on, and
    whoever asks for it is told that there is none of this name.
    """
    for group, register in _GROUPS.items():
        for entry in entry_points(group=group):
            try:
                register(entry.load())
            except Exception as error:  # any code of any package
                owner = f" of {entry.dist.name}" if entry.dist else ""
                print(
                    f"{group} {entry.name!r}{owner} is left out: {reason(error)}", file=sys.stderr
                )
