"""Which engines there are. A backend adds one folder or file, and one `EngineDef` here.

One that lives outside this package is added by `register`, before a configuration is read.
"""

import dataclasses
import importlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax

from screwpush_sim.errors import EngineNotInstalledError, UnknownEngineError
from screwpush_sim.options import IsaacGymConfig, MujocoConfig, MujocoWarpConfig, PhysxConfig
from screwpush_sim.protocol import Simulator
from screwpush_sim.scene import Scene
from screwpush_sim.variation import PARAMETERS, Params, check_can_vary


@dataclasses.dataclass(frozen=True)
class EngineDef:
    """What is known of an engine without loading it."""

    name: str
    options: type
    """Frozen dataclass of its options, all with defaults; importable without the engine."""
    backend: str
    """Its class as `module:class`, built from a scene, a number of environments and the options."""
    package: str = ""
    """Package that must be installed in this interpreter; empty: none."""
    install: str = ""
    """Command that installs it."""
    on_host: Callable[[Any], bool] = lambda options: True
    """Whether its tensors lie in host memory under these options, so that JAX computes there, too."""
    restarts: Callable[[Any], int] = lambda options: 0
    """How often a run may build it anew after a `errors.WorkerError`, under these options."""
    one_per_process: bool = False
    """Whether only one simulator of it may live in a process at a time: close it before the next."""
    varies: tuple[str, ...] = ()
    """Which of `variation.PARAMETERS` may differ between its scenes. Where there are any, its class also
    takes `params`, the factors of those that do."""
    auto_on: str = ""
    """JAX's platform ("gpu" or "cpu") on which `auto` takes it; empty: it must be asked for."""


ENGINES: dict[str, EngineDef] = {
    engine.name: engine
    for engine in (
        EngineDef(
            "mujoco_warp",
            MujocoWarpConfig,
            "screwpush_sim.engines.mujoco_warp:MujocoWarp",
            package="mujoco_warp",
            install="pip install 'mujoco-warp>=4,<5'",
            on_host=lambda options: False,
            varies=PARAMETERS,
            auto_on="gpu",
        ),
        EngineDef(
            "mujoco",
            MujocoConfig,
            "screwpush_sim.engines.mujoco_cpu:MujocoCpu",
            package="mujoco",
            install="pip install 'mujoco>=4,<5'",
            varies=PARAMETERS,
            auto_on="cpu",
        ),
        EngineDef(
            "physx",
            PhysxConfig,
            "screwpush_sim.engines.physx.engine:Physx",
            package="ovphysx",
            install="pip install 'screwpush-jax[physx]' (its binaries: NVIDIA Omniverse licence)",
            on_host=lambda options: options.pipeline == "cpu",
            varies=("friction", "body_mass", "robot_mass", "drive_gain"),
        ),
        # its package lives in another interpreter, which is looked for when the engine is built
        EngineDef(
            "isaacgym",
            IsaacGymConfig,
            "screwpush_sim.engines.isaacgym.client:IsaacGym",
            on_host=lambda options: options.pipeline == "cpu",
            restarts=lambda options: options.restarts,
            varies=("body_mass", "robot_mass", "drive_gain"),  # it takes the mean of two frictions
        ),
    )
}
"""By name, in the order in which help lists them."""


def register(engine: EngineDef) -> None:
    """Adds an engine from outside this package.

    Raises:
      ValueError: the name is taken, or is no name of a configuration section.
    """
    if engine.name in ENGINES or engine.name == "auto" or not engine.name.isidentifier():
        taken = ", ".join(["auto", *ENGINES])
        raise ValueError(f"engine name {engine.name!r}; valid: an identifier other than {taken}")
    ENGINES[engine.name] = engine


def choose(name: str) -> tuple[str, str]:
    """The engine that `name` ('auto' or an engine's) stands for, and why.

    Raises:
      UnknownEngineError: no such engine.
    """
    if name == "auto":
        platform = "gpu" if jax.default_backend() == "gpu" else "cpu"
        reason = "JAX sees a GPU" if platform == "gpu" else "JAX computes on the CPU"
        found = next(engine for engine in ENGINES.values() if engine.auto_on == platform)
        return found.name, f"auto: {reason}"
    if name not in ENGINES:
        raise UnknownEngineError(f"unknown engine {name!r}; valid: {', '.join(['auto', *ENGINES])}")
    return name, "as asked"


def make_simulator(
    name: str, scene: Scene, num_envs: int, options: object, params: Params | None = None
) -> Simulator:
    """Builds the engine `name` with its own `options`, its scenes differing by the factors `params`.

    Raises:
      VariationNotSupportedError: it cannot vary one of them.
      UnknownEngineError: no such engine.
      EngineNotInstalledError: the package it needs is missing, or does not find a library.
      TypeError: the options are another engine's.
    """
    engine = ENGINES[choose(name)[0]]
    check_installed(engine.name)
    if not isinstance(options, engine.options):
        wanted, got = engine.options.__name__, type(options).__name__
        raise TypeError(f"engine {engine.name!r} takes a {wanted}, got a {got}")
    check_variation(engine.name, scene, tuple(params or ()))
    varied = {"params": params} if params else {}
    return _load(engine)(scene, num_envs, options, **varied)


def _load(engine: EngineDef) -> Callable[..., Simulator]:
    module, _, backend = engine.backend.partition(":")
    try:
        return getattr(importlib.import_module(module), backend)
    except (AttributeError, ImportError, OSError) as error:
        asked = os.environ.get("MUJOCO_GL")  # MuJoCo looks for what draws when it is imported
        if not asked or "mujoco" not in engine.package:
            raise
        raise EngineNotInstalledError(
            f"engine {engine.name!r} cannot be loaded with MUJOCO_GL={asked}: {error}; unset it, or"
            " install what it asks for (on Debian: apt-get install libegl1 libgl1-mesa-dri)"
        ) from error


def check_variation(name: str, scene: Scene, varied: Sequence[str]) -> None:
    """Raises VariationNotSupportedError unless engine `name` can vary all of these in this scene."""
    check_can_vary(name, ENGINES[name].varies, scene, varied)


def steps_on_host(name: str, options: object) -> bool:
    """Whether the engine's tensors lie in host memory, so that JAX has to compute there, too."""
    return ENGINES[name].on_host(options)


def check_installed(name: str) -> None:
    """Checks that the package which the engine `name` needs is there.

    Raises:
      UnknownEngineError: no such engine.
      EngineNotInstalledError: it is missing.
    """
    engine = ENGINES[choose(name)[0]]
    if engine.package and not _is_installed(engine.package):
        others = [other.name for other in ENGINES.values() if other is not engine]
        raise EngineNotInstalledError(
            f"engine {engine.name!r} needs the package {engine.package!r}: {engine.install}"
            + (f" (other engines: {', '.join(others)})" if others else "")
        )


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # a module that was blocked on purpose has no spec
        return False
