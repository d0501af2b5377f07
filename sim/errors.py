"""What can be wrong with a simulator. Each message says what was asked and what is valid."""


class SimError(Exception):
    """Base of the errors below."""


class UnknownEngineError(SimError):
    """No engine of that name exists."""


class EngineNotInstalledError(SimError):
    """The engine exists, the package that it needs does not."""


class SnapshotMismatchError(SimError):
    """A snapshot does not fit this simulator."""


class SimClosedError(SimError):
    """A closed simulator was used."""


class RendererUnavailableError(SimError):
    """This machine gives no OpenGL context to draw with."""
