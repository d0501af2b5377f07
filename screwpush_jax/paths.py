"""Names and folders that a user gives: what is valid, told before anything is built or written."""

import dataclasses
import errno
import os
import re
import tempfile
from pathlib import Path
from typing import Any, get_type_hints

from screwpush_jax.bounds import flag, shown
from screwpush_jax.errors import UsageError
from screwpush_sim.options import PATH, PATH_LIST

LONGEST_NAME = 100
_MOST_BYTES = 200
"""Of a name in UTF-8: a file's name may have 255, and the time stands before it."""
_NAME = re.compile(r"(?!.*\.\.)[^\W](?:[\w .,+=@$^#%()~-]*[\w.,+=@$^#%()~-])?")
"""Letters and digits of any script, no `..`, nothing that a shell or a glob takes for a pattern."""
_RESERVED = ("latest", "best")
"""`--checkpoint` takes these for something else than a run's name."""
_GLOB = frozenset("[]*?")


def check_name(name: str) -> None:
    """Whether a run can have this name; an empty one stands for none.

    Raises:
      ValueError: it begins with `name` and says what is valid.
    """
    if not name:
        return
    if name in _RESERVED:
        raise ValueError(f"name {name}; valid: any but {', '.join(_RESERVED)}, as --checkpoint"
                         " takes these for the newest and the best")  # fmt: skip
    short = len(name) <= LONGEST_NAME and len(os.fsencode(name)) <= _MOST_BYTES
    if not short or not _NAME.fullmatch(name):
        said = name if len(name) <= LONGEST_NAME else f"{name[:20]}... ({len(name)} characters)"
        raise ValueError(
            f"name {shown(said)}; valid: a letter, digit or _ first, then also spaces (not last)"
            f" and . , + = @ $ ^ # % ( ) ~ -, but no .., {LONGEST_NAME} characters at most and"
            f" {_MOST_BYTES} bytes in UTF-8"
        )


def check_paths(section: Any, prefix: str = "") -> None:
    """Checks every text of a configuration that is marked as a path.

    Raises:
      UsageError: as `expand`.
    """
    hints = get_type_hints(type(section), include_extras=True)
    for field in dataclasses.fields(section):
        name, value = f"{prefix}{field.name}", getattr(section, field.name)
        marks = getattr(hints[field.name], "__metadata__", ())
        if dataclasses.is_dataclass(value):
            check_paths(value, f"{name}.")
        elif PATH in marks or PATH_LIST in marks:
            for path in value.split(":") if PATH_LIST in marks else [value]:
                expand(path, flag(name))


def expand(path: str, flag: str) -> Path:
    """A path of the user's, a leading `~` replaced by the home folder.

    Raises:
      UsageError: there is no such home, or a character that no path has.
    """
    if "\0" in path:
        raise UsageError(f"--{flag} {path!r}; valid: a path without NUL characters")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(
            f"--{flag} {shown(path)}: no such home folder is known here; valid: a path without ~"
        ) from None


def check_run_path(path: Path) -> None:
    """Whether a run in this folder can be read back.

    Orbax takes the absolute path for a glob pattern, so that what it saves under a name with
    brackets is never found again.

    Raises:
      UsageError: it holds one of the pattern's characters.
    """
    absolute = os.path.abspath(path)
    if found := sorted(_GLOB & set(absolute)):
        raise UsageError(
            f"the run's folder {shown(absolute)} has {' '.join(found)} in its path, and checkpoints"
            f" could not be read back; valid: a path without {' '.join(sorted(_GLOB))}"
        )


def check_runs_dir(path: Path) -> None:
    """Whether folders can be made in `path`, which need not exist; leaves nothing there.

    Raises:
      UsageError: it, or a folder above it, is a file or cannot be written.
    """
    folder = Path(os.path.abspath(path))
    try:
        while not _is_there(folder):
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        with tempfile.TemporaryFile(dir=folder):  # asks the file system itself, read-only or full
            pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        where = "" if folder == path else f" ({shown(str(folder))})"
        raise UsageError(
            f"--runs-dir {shown(str(path))}{where}: {reason}; valid: a folder that can be written"
        ) from None


def _is_there(folder: Path) -> bool:
    """Whether there is something; any other fault than that there is nothing is raised."""
    try:
        folder.lstat()
    except FileNotFoundError:
        return False
    return True
