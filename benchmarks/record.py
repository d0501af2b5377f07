"""One row a measurement: what was measured, on what, at which commit."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

_PACKAGES = ("jax", "flax", "optax", "mujoco", "mujoco-warp", "warp-lang", "torch")


def spread(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Median, tenth and ninetieth percentile of repeated measurements."""
    low, middle, high = np.percentile(np.asarray(values, float), [10, 50, 90])
    return {"median": float(middle), "p10": float(low), "p90": float(high)}


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Appends `rows`, each with where and when it was taken, as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    where = {"commit": commit(), "hardware": hardware(), "versions": versions()}
    with path.open("a") as file:
        for row in rows:
            file.write(json.dumps(row | where) + "\n")
            print(json.dumps(row), flush=True)


def commit() -> str:
    """The checked-out commit, with a mark if files differ from it."""
    if "SCREWPUSH_COMMIT" in os.environ:  # a copy without its history
        return os.environ["SCREWPUSH_COMMIT"]
    run = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()


def hardware() -> str:
    """What JAX computes on."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return f"{os.cpu_count()} x {_cpu_name()}"
    return device.device_kind


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


def versions() -> dict[str, str]:
    """Versions of the packages that matter and are installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
