"""Runs of the shipped commands, each in a process of its own, and the figures that they leave."""

import dataclasses
import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from screwpush_jax.errors import REFUSED, UsageError
from screwpush_jax.loggers import read_metrics

_FIGURES = (
    *("episodes", "success_rate", "success_low", "success_high", "out_of_area", "episode_len"),
    *("fell", "speed_m_s", "distance_m", "upright", "return_"),
)
"""Those of them that the task has."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    process_s: float
    """From the start of its process to the end, evaluation included."""


def train_all(
    flags: Mapping[str, Sequence[str]], runs_dir: Path, gpus: Sequence[int]
) -> dict[str, Run]:
    """Trains each named run with its flags, one at a time on each of `gpus`.

    Without any, one at a time on the device that training takes by itself.

    Raises:
      UsageError, RuntimeError: as `command`, for one of them.
    """
    places = [{"CUDA_VISIBLE_DEVICES": str(gpu)} for gpu in gpus] or [{}]
    free: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
    for place in places:
        free.put(place)

    def train(name: str) -> Run:
        place = free.get()
        try:
            where = ["--runs-dir", str(runs_dir), "--name", name, "--headless"]
            process_s = command("train", [*flags[name], *where], place)
        finally:
            free.put(place)
        print(f"{name}: {process_s:.0f} s", flush=True)
        return Run(newest(runs_dir, name), process_s)

    with ThreadPoolExecutor(len(places)) as pool:
        return dict(zip(flags, pool.map(train, flags), strict=True))


def command(module: str, args: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """Runs `python -m screwpush_jax.<module>`; seconds that its process lived.

    Raises:
      UsageError: it refused what it was told, and says why.
      RuntimeError: it failed; the message holds what it printed.
    """
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", f"screwpush_jax.{module}", *args],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr.strip().splitlines()
    if done.returncode == REFUSED and said and said[-1].startswith("error: "):
        raise UsageError(f"{module}: {said[-1].removeprefix('error: ')}")
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(args)}:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - begun


def newest(runs_dir: Path, name: str) -> Path:
    """Folder of the run of that name."""
    return max(runs_dir.glob(f"*/*-{name}"), key=lambda folder: folder.name)


def evaluation(folder: Path, engine: str = "*", since_s: float = 0.0) -> dict[str, Any]:
    """The run's newest evaluation, on `engine` if one is named, whatever its settings.

    Raises:
      RuntimeError: none was written at `since_s` (seconds of the epoch) or later.
    """
    names = (f"eval-*-{engine}.json", f"eval-*-{engine}-*.json")
    written = {path: path.stat().st_mtime for name in names for path in folder.glob(name)}
    if max(written.values(), default=-1.0) < since_s:
        raise RuntimeError(f"{folder} has no new evaluation")
    return json.loads(max(written, key=written.__getitem__).read_text())


def row(run: Run) -> dict[str, Any]:
    """What a run was and how it fared."""
    config = yaml.safe_load((run.folder / "config.yaml").read_text())
    table, judged = read_metrics(run.folder), evaluation(run.folder)
    return {
        "seed": config["seed"],
        "num_envs": config["num_envs"],
        "engine": judged["engine"],
        "physics": judged["physics"],
        "env_steps": table[-1]["env_steps"],
        "train_s": 1e-3 * sum(line["perf/iteration_ms"] for line in table),
        "process_s": run.process_s,
        **figures(judged),
    }


def figures(judged: Mapping[str, Any], policy: str = "learned") -> dict[str, Any]:
    """A policy's figures out of an evaluation."""
    return {name: judged[policy][name] for name in _FIGURES if name in judged[policy]}
