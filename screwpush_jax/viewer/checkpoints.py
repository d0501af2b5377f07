"""The checkpoints of one run, which may still be training: read, never written.

Whoever trains deletes old ones, maybe while they are read.
"""

from collections.abc import Callable
from typing import Any

from screwpush_jax import checkpoint_folder, run_folder
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.errors import CheckpointError

LATEST, BEST = "latest", "best"


class Checkpoints:
    """The policy in use, and the others that there are."""

    def __init__(self, found: Found, load: Callable[[Found], Any], follow: bool = False):
        """Begins with `found`; `load` reads a checkpoint's policy.

        With `follow` a newer one does as well, where `found` cannot be read any more.

        Raises:
          CheckpointError: it cannot be read.
        """
        self._load = load
        self.found, self.policy = _first(found, load, follow)
        self._tried = self.found.step

    @property
    def step(self) -> int:
        """Control steps that the policy in use was trained for."""
        return self.found.step

    def names(self) -> tuple[str, ...]:
        """What `take` takes, the newest step first."""
        known = run_folder.steps(self.found.run_dir)
        return (LATEST, BEST, *map(str, reversed(known)))

    def take(self, name: str) -> None:
        """Uses another checkpoint from now on.

        Raises:
          CheckpointError: it is not there, or no longer; the one in use stays.
        """
        run_dir = self.found.run_dir
        if name in (LATEST, BEST):
            found = checkpoint_folder.find_in(run_dir, best=name == BEST)
        else:
            found = checkpoint_folder.at_step(run_dir, name)
        self.policy, self.found = self._load(found), found

    def newer(self) -> str:
        """The newest checkpoint's name, if it is newer than any that was in use or tried; else empty.

        One that cannot be read is not named again, the next one is.
        """
        known = run_folder.steps(self.found.run_dir)
        if not known or known[-1] <= max(self._tried, self.step):
            return ""
        self._tried = known[-1]
        return str(known[-1])


def _first(found: Found, load: Callable[[Found], Any], follow: bool) -> tuple[Found, Any]:
    """`found` and its policy, or a newer one's where it was deleted before it was read."""
    while True:
        try:
            return found, load(found)
        except CheckpointError:
            known = run_folder.steps(found.run_dir)
            if not follow or not known or known[-1] <= found.step:
                raise
            found = checkpoint_folder.find_in(found.run_dir, best=False)
