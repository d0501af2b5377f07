"""Installed as a wheel, for a user who has something called `sim`, too: nobody is in the way."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder of installed packages, as pip lays a wheel of this source."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("screwpush_jax", "sim"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # in an environment of its own, as pip builds it: what is installed here may be too old for it
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    built = subprocess.run([sys.executable, *build], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_every_package_of_the_source_is_installed(installed):
    for name, folder in (("screwpush_jax", "screwpush_jax"), ("screwpush_sim", "sim")):
        source = {str(p.relative_to(ROOT / folder)) for p in (ROOT / folder).rglob("*.py")}
        there = {str(p.relative_to(installed / name)) for p in (installed / name).rglob("*.py")}
        assert there == source
    assert not (installed / "sim").exists()
    for name, patterns in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
        "setuptools"
    ]["package-data"].items():
        assert all((installed / name / pattern).is_file() for pattern in patterns)


@pytest.mark.parametrize("name", ["sim.py", "sim/__init__.py"])
def test_a_foreign_sim_neither_runs_nor_hinders(installed, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise SystemExit('foreign code runs')\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    code = "import screwpush_jax.train, screwpush_sim; print(screwpush_sim.__file__)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout == f"{installed / 'screwpush_sim' / '__init__.py'}\n", result.stderr
