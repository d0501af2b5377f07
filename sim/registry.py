"""Which engines there are. A backend adds one file and one line here."""

import importlib.util
from collections.abc import Callable

import jax

from sim.errors import EngineNotInstalledError, UnknownEngineError
from sim.options import IsaacGymConfig, MujocoConfig, MujocoWarpConfig
from sim.protocol import Simulator
from sim.scene import Scene

Factory = Callable[[Scene, int, object], Simulator]


def _mujoco_warp() -> Factory:
    _need("mujoco_warp", package="mujoco_warp", install="pip install 'mujoco-warp>=4,<5'")
    from sim.mujoco_warp import MujocoWarp

    def make(scene: Scene, num_envs: int, options: object) -> Simulator:
        assert isinstance(options, MujocoWarpConfig)
        return MujocoWarp(scene, num_envs, options)

    return make


def _mujoco() -> Factory:
    _need("mujoco", package="mujoco", install="pip install 'mujoco>=4,<5'")
    from sim.mujoco_cpu import MujocoCpu

    def make(scene: Scene, num_envs: int, options: object) -> Simulator:
        assert isinstance(options, MujocoConfig)
        return MujocoCpu(scene, num_envs, options)

    return make


def _isaacgym() -> Factory:
    # its package lives in another interpreter, which is looked for when the engine is built
    from sim.isaacgym.client import IsaacGym

    def make(scene: Scene, num_envs: int, options: object) -> Simulator:
        assert isinstance(options, IsaacGymConfig)
        return IsaacGym(scene, num_envs, options)

    return make


ENGINES: dict[str, Callable[[], Factory]] = {
    "mujoco_warp": _mujoco_warp,
    "mujoco": _mujoco,
    "isaacgym": _isaacgym,
}


def choose(name: str) -> tuple[str, str]:
    """The engine that `name` ('auto' or an engine's) stands for, and why.

    Raises:
      UnknownEngineError: no such engine.
    """
    if name == "auto":
        if jax.default_backend() == "gpu":
            return "mujoco_warp", "auto: JAX sees a GPU"
        return "mujoco", "auto: JAX computes on the CPU"
    if name not in ENGINES:
        raise UnknownEngineError(f"unknown engine {name!r}; valid: {', '.join(['auto', *ENGINES])}")
    return name, "as asked"


def make_simulator(name: str, scene: Scene, num_envs: int, options: object) -> Simulator:
    """Builds the engine `name` with its own `options`.

    Raises:
      UnknownEngineError: no such engine.
      EngineNotInstalledError: the package it needs is missing.
    """
    return ENGINES[choose(name)[0]]()(scene, num_envs, options)


def steps_on_host(name: str, options: object) -> bool:
    """Whether the engine's tensors lie in host memory, so that JAX has to compute there, too."""
    return name == "mujoco" or isinstance(options, IsaacGymConfig) and options.pipeline == "cpu"


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
