"""Which engines there are. A backend adds one file and one line here."""

import importlib.util
from collections.abc import Callable

from sim.errors import EngineNotInstalledError, UnknownEngineError
from sim.options import MujocoConfig
from sim.protocol import Simulator
from sim.scene import SceneConfig

Factory = Callable[[SceneConfig, int, object], Simulator]


def _mujoco() -> Factory:
    _need("mujoco", package="mujoco", install="pip install 'mujoco>=4,<5'")
    from sim.mujoco_cpu import MujocoCpu

    def make(scene: SceneConfig, num_envs: int, options: object) -> Simulator:
        assert isinstance(options, MujocoConfig)
        return MujocoCpu(scene, num_envs, options)

    return make


ENGINES: dict[str, Callable[[], Factory]] = {
    "mujoco": _mujoco,
}


def choose(name: str) -> tuple[str, str]:
    """The engine that `name` ('auto' or an engine's) stands for, and why.

    Raises:
      UnknownEngineError: no such engine.
    """
    if name == "auto":
        return "mujoco", "auto: MuJoCo's C engine is the default where there is no GPU engine"
    if name not in ENGINES:
        raise UnknownEngineError(f"unknown engine {name!r}; valid: {', '.join(['auto', *ENGINES])}")
    return name, "as asked"


def make_simulator(name: str, scene: SceneConfig, num_envs: int, options: object) -> Simulator:
    """Builds the engine `name` with its own `options`.

    Raises:
      UnknownEngineError: no such engine.
      EngineNotInstalledError: the package it needs is missing.
    """
    return ENGINES[choose(name)[0]]()(scene, num_envs, options)


def check_installed(name: str) -> None:
    """Raises EngineNotInstalledError if the package that engine `name` needs is missing."""
    ENGINES[name]()


def _need(engine: str, package: str, install: str) -> None:
    try:
        found = importlib.util.find_spec(package) is not None
    except ValueError:  # a module that was blocked on purpose has no spec
        found = False
    if not found:
        installed = [name for name in ENGINES if name != engine]
        raise EngineNotInstalledError(
            f"engine {engine!r} needs the package {package!r}: {install}"
            + (f" (other engines: {', '.join(installed)})" if installed else "")
        )
