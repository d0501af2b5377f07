"""Packages that only a door needs."""

import contextlib
import sys
from collections.abc import Iterator

from screwpush_jax.errors import UsageError


def missing(extra: str, error: ImportError) -> UsageError:
    """What is to be said where a door's package cannot be imported."""
    reason = " ".join(str(error).split())
    return UsageError(f"{reason}; this door needs pip install 'screwpush-jax[{extra}]'")


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around a script's imports: where one of them is not installed, one line names the extra.

    Raises:
      SystemExit: with code 2, after that line.
    """
    try:
        yield
    except (ImportError, UsageError) as error:
        said = missing(extra, error) if isinstance(error, ImportError) else error
        print(f"error: {said}", file=sys.stderr)
        raise SystemExit(2) from None
