"""What can be wrong with a simulator. Each message says what was asked and what is valid."""


class SimError(Exception):
    """Base of the errors below."""


class UnknownEngineError(SimError):
    """No engine of that name exists."""


class EngineNotInstalledError(SimError):
    """The engine exists, what it needs does not."""


class SceneNotSupportedError(SimError):
    """The engine cannot build a scene of this kind."""


class VariationNotSupportedError(SimError):
    """A parameter that should differ between scenes, `name`, is none that this engine can vary there."""

    def __init__(self, message: str, name: str):
        super().__init__(message)
        self.name = name


class InputMismatchError(SimError):
    """An array that was handed to a simulator has another shape, dtype or place, or another name."""


class SnapshotMismatchError(SimError):
    """A snapshot does not fit this simulator."""


class SimClosedError(SimError):
    """A closed simulator was used."""


class SimOverflowError(SimError):
    """More contacts arose than the engine was given room for."""


class RendererUnavailableError(SimError):
    """This machine gives no OpenGL context to draw with."""


class WorkerError(SimError):
    """The process that owns an engine failed, died or hung; the message carries its last words."""


class DeviceLostError(SimError):
    """The driver took the GPU from this process; whoever goes on does so in a new one."""


class DeviceMismatchError(SimError):
    """Engine and JAX cannot share memory: they compute on different devices."""
