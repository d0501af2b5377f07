"""What a run is and where it ran: its settings, the code's commit, the hardware, the versions."""

import dataclasses
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax
import yaml

from screwpush_jax.config import Config, to_tree
from screwpush_jax.field_kinds import of_a_run

PROVENANCE_FILE = "provenance.json"
_PACKAGES = (
    *("screwpush-jax", "jax", "flax", "optax", "mujoco", "mujoco-warp", "warp-lang", "ovphysx"),
    "torch",
)
_GIT_TIMEOUT_S = 10.0


def provenance(engine: str) -> dict[str, Any]:
    """By what and on what a run is made, on `engine`; what cannot be found out is left out."""
    found = {"commit": commit(), "hardware": hardware(), "engine": engine, "versions": versions()}
    return {name: value for name, value in found.items() if value}


def commit() -> str:
    """The commit that this code is checked out at, with a mark if files differ; empty if unknown."""
    if "SCREWPUSH_COMMIT" in os.environ:  # a copy without its history
        return os.environ["SCREWPUSH_COMMIT"]
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():  # installed as a package, perhaps within another repository
        return ""
    run = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(
            run, capture_output=True, text=True, check=True, timeout=_GIT_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def hardware() -> str:
    """What JAX computes on."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return f"{os.cpu_count()} x {_cpu_name()}"
    return device.device_kind


def versions() -> dict[str, str]:
    """Versions of the packages that matter and are installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hyperparameters(config: Config, engine: str) -> dict[str, bool | int | float | str]:
    """What decides a run's results, by dotted name; of the engines' options those of `engine`."""
    common = {field.name for field in dataclasses.fields(Config)}
    sections = {field.name for field in dataclasses.fields(config)}
    sections -= common | {engine, config.algorithm}
    values = {
        path: value
        for path, value in of_a_run(config).items()
        if path.partition(".")[0] not in sections
    }
    values |= {"task": config.task, "sim": engine or config.sim}
    return {path: _plain(value) for path, value in values.items()}


def texts(config: Config, engine: str) -> dict[str, str]:
    """The configuration and the provenance as text in Markdown, by title."""
    trees = {"config": to_tree(config), "provenance": provenance(engine)}
    return {
        title: f"```yaml\n{yaml.safe_dump(tree, sort_keys=False)}```"
        for title, tree in trees.items()
    }


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(list(value))


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()
