"""From keyword arguments to a configuration."""

import dataclasses
from pathlib import Path
from typing import Any, get_args

from screwpush_jax import plugins
from screwpush_jax.config import Config, config_type_of, from_tree, load_tree, load_yaml
from screwpush_jax.device import use_device
from screwpush_jax.errors import UsageError
from screwpush_sim import bridge, registry
from screwpush_sim.physics import Name


def resolve(task: str, config: str | Path = "", **fields: Any) -> Config:
    """The configuration of `task`: its defaults, under the YAML file `config`, under `fields`, checked.

    A field is one of `configs/default.yaml`; a section takes a mapping: `num_envs=64`, `sim="mujoco"`,
    `env={"horizon": 100}`. What belongs to a learner or a run's folder is checked and not used.

    Raises:
      UsageError: in one line, what is wrong and what is valid.
    """
    plugins.load()
    file = load_tree(Path(config)) if config else {}
    kind = config_type_of({**file, **fields, "task": task})
    found = load_yaml(Path(config), kind, kind()) if config else kind()
    if found.task != task:
        raise UsageError(f"{config} is of the task {found.task}; valid here: {task}")
    found = from_tree(fields, kind, found)
    if found.task != task:
        raise UsageError(f"task {found.task!r}; valid here: {task}, or another id")
    found.check()
    return found


def check_physics(physics: str) -> None:
    """Raises UsageError if there is no physics of that name."""
    if physics not in get_args(Name):
        raise UsageError(f"physics {physics!r}; valid: {', '.join(get_args(Name))}")


def place(config: Config) -> Config:
    """Lets JAX compute where `config` says, and names the engine that `auto` stands for.

    Raises:
      UsageError: the device is not there, or JAX already computes on another than the engine.
      SimError: the engine is not installed.
    """
    use_device(config)
    engine = registry.choose(config.sim)[0]
    on_host = registry.steps_on_host(engine, getattr(config, engine))
    platform = bridge.device().platform
    if platform == "gpu" and (on_host or config.device == "cpu"):
        why = f"the engine {engine} steps on the CPU" if on_host else "device is cpu"
        raise UsageError(
            f"{why}, but this process has already computed with JAX on its {platform}; valid: make the"
            " environment first, or set JAX_PLATFORMS=cpu"
        )
    return dataclasses.replace(config, sim=engine)
