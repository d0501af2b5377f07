"""Installed as a wheel, in the working folder of a user who has something called `sim`, too."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOREIGN = {"a file": "sim.py", "a package": "sim/__init__.py"}
LOUD = "print('foreign code runs')\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder of installed packages: both of ours side by side, as a wheel lays them."""
    folder = tmp_path_factory.mktemp("site-packages")
    for package in ("screwpush_jax", "sim"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc"))
    return folder


@pytest.fixture
def python(installed, tmp_path):
    """`python(*args)` in a user's folder; what is installed comes after it on the path."""
    path = {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")} | path

    def run(*args: str):
        return subprocess.run(
            [sys.executable, *args],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(LOUD)
    return path


@pytest.mark.parametrize("command", ["train", "evaluate", "play"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_command_names_what_is_in_the_way_in_one_line(python, installed, tmp_path, kind, command):
    foreign = put(tmp_path, FOREIGN[kind])
    result = python("-m", f"screwpush_jax.{command}", "--help")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"error: {foreign} is in the way of the package `sim` in {installed / 'sim'}: rename it, or"
        " start elsewhere\n"
    )


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_script_gets_an_import_error_that_names_it(python, tmp_path, kind):
    foreign = put(tmp_path, FOREIGN[kind])
    (tmp_path / "script.py").write_text("import screwpush_jax.config\n")
    result = python("script.py")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"ImportError: {foreign} is in the way")
    assert "foreign code" not in result.stdout


def test_a_foreign_sim_that_is_in_use_already_is_named(python, tmp_path):
    foreign = put(tmp_path, "sim.py")
    result = python("-c", "import sim, screwpush_jax")
    assert f"ImportError: {foreign} is in the way" in result.stderr
    result = python("-c", "import sys, types; sys.modules['sim'] = types.ModuleType('sim');"
                          " import screwpush_jax")  # fmt: skip
    assert "ImportError: a module without a file is in the way" in result.stderr


@pytest.mark.parametrize("names", [(), ("sim/data.txt",), ("sims.py", "simulation/sim.py")])
def test_what_python_does_not_take_for_it_is_in_nobodys_way(python, installed, tmp_path, names):
    for name in names:
        put(tmp_path, name)
    result = python("-c", "import screwpush_jax, sim; print(sim.__file__)")
    assert result.stdout == f"{installed / 'sim' / '__init__.py'}\n", result.stderr
