"""One short run of the debug configuration, shared by the tests of the command lines."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEBUG = str(ROOT / "configs" / "debug.yaml")

_CACHE: dict[str, str] = {}


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> Iterator[None]:
    """Compiled functions, for the many short processes of these tests; gone when the session ends.

    Each worker of pytest-xdist has its own: JAX reads what another process has yet to finish, and
    one for all, which both fill at the same time, made nothing faster.
    """
    folder = tmp_path_factory.mktemp("jax-cache")
    _CACHE["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    _CACHE["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    yield
    shutil.rmtree(folder, ignore_errors=True)


def environment(**more: str) -> dict[str, str]:
    """What the commands' processes see."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **_CACHE, **more}


def start(module: str, *args: object, cwd: Path) -> "subprocess.Popen[str]":
    """Starts `python -m screwpush_jax.<module>`, its output and errors in one pipe."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", f"screwpush_jax.{module}", *map(str, args)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def command(module: str, *args: object, cwd: Path, env: dict[str, str] | None = None):
    """Runs `python -m screwpush_jax.<module>` as a user would."""
    return subprocess.run(
        [sys.executable, "-m", f"screwpush_jax.{module}", *map(str, args)],
        cwd=cwd,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="session")
def run_command():
    return command


@pytest.fixture(scope="session")
def start_command():
    return start


@pytest.fixture(scope="session")
def debug_config() -> str:
    return DEBUG


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A folder in which the debug configuration was trained and evaluated."""
    folder = tmp_path_factory.mktemp("trained")
    result = command("train", "--config", DEBUG, "--name", "first", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder
