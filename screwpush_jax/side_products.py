"""Logs, pictures and displays: what fails there is said in one line and costs a run nothing."""

import contextlib
import sys
from collections.abc import Iterator

_LONGEST = 300


@contextlib.contextmanager
def attempt(what: str) -> Iterator[None]:
    """Runs its block; an error in it becomes one line that begins with `what`, and no more."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a library may want to end the process
        say(f"{what}: {reason(error)}")


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    text = " ".join(str(error).split())[:_LONGEST]
    return text if isinstance(error, OSError) and text else f"{type(error).__name__}: {text}"


def say(line: str) -> None:
    """Prints a line among the errors; if that cannot be done, nobody reads them."""
    with contextlib.suppress(Exception):
        print(line, file=sys.stderr, flush=True)
