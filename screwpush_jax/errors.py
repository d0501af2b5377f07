"""What a user can get wrong. Command lines print the message in one line and exit with `REFUSED`."""

REFUSED = 2


class UsageError(Exception):
    """A bad flag, key, value or combination; nothing was written."""


class CheckpointError(UsageError):
    """A checkpoint is missing, damaged, cannot be written or belongs to something else."""


class DivergedError(UsageError):
    """What was learned is not finite any more."""


class SplitError(UsageError):
    """Processes that train together have learned different things."""
