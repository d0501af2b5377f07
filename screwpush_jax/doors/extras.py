"""Packages that only a door needs."""

from screwpush_jax.errors import UsageError


def missing(extra: str, error: ImportError) -> UsageError:
    """What is to be said where a door's package cannot be imported."""
    reason = " ".join(str(error).split())
    return UsageError(f"{reason}; this door needs pip install 'screwpush-jax[{extra}]'")
