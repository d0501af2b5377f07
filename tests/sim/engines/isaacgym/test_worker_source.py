"""The worker's source: valid Python 3.8, small imports, and Isaac Gym's names as its stubs have them."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sim.engines.isaacgym.worker import block_layout

from .conftest import ROOT

WORKER = ROOT / "sim" / "engines" / "isaacgym" / "worker"
FILES = sorted(WORKER.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_the_worker_is_python_3_8(path):
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_a_real_python_3_8_imports_what_needs_no_gym():
    python = _python_3_8()
    if python is None:
        pytest.skip("no Python 3.8 here")
    code = "import worker.__main__, worker.block_layout; print(worker.block_layout.make_block_layout(5, 3, 6).size)"
    result = subprocess.run(
        [python, "-c", code], cwd=WORKER.parent, capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == str(block_layout.make_block_layout(5, 3, 6).size), result.stderr
    check = [python, "-m", "py_compile", *map(str, FILES)]
    assert subprocess.run(check, check=False).returncode == 0


def _python_3_8() -> str | None:
    """A Python 3.8 that runs: a version manager's `python3.8` may be there and refuse to."""
    managed = Path.home().glob(".pyenv/versions/3.8.*/bin/python")
    for python in filter(None, [shutil.which("python3.8"), *map(str, managed)]):
        ask = [python, "-c", "import sys; sys.exit(sys.version_info[:2] != (3, 8))"]
        if subprocess.run(ask, capture_output=True, check=False).returncode == 0:
            return python
    return None


def test_the_worker_imports_isaacgym_torch_and_the_standard_library_alone():
    found = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add((node.module or "").split(".")[0])
    assert found - set(sys.stdlib_module_names) == {"isaacgym", "torch"}


def test_isaacgym_comes_before_torch_in_each_file_that_has_both():
    """`memory` has torch alone and is imported after `scene`, which has isaacgym."""
    main = (WORKER / "__main__.py").read_text()
    assert main.index("import isaacgym") < main.index("import torch")
    assert main.index("_import_gym()\n") < main.index("from .scene") < main.index("from .memory")


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """`(edit) -> errors` of pyright on a copy of the worker, each file passed through `edit`."""
    if not _pyright():
        pytest.skip("pyright is not installed")

    def run(edit):
        folder = tmp_path_factory.mktemp("copy")
        for path in FILES:
            (folder / path.name).write_text(edit(path.read_text()))
        result = subprocess.run(
            [*_pyright(), "--outputjson", "--pythonpath", sys.executable, str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        return [
            item["message"]
            for item in json.loads(result.stdout)["generalDiagnostics"]
            if item["severity"] == "error"
        ]

    return run


def _pyright() -> list[str]:
    import importlib.util

    return [sys.executable, "-m", "pyright"] if importlib.util.find_spec("pyright") else []


def test_the_worker_agrees_with_the_public_stubs(check):
    assert check(lambda text: text) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("gym.prepare_sim(sim)", "gym.prepare_simulation(sim)"),
        ("physx.use_gpu =", "physx.gpu ="),
        ("gymapi.DOMAIN_SIM", "gymapi.DOMAIN_WORLD"),
        ("gym.add_ground(sim, plane)", "gym.add_ground(plane, sim)"),
        ("params.dt = setup", "params.gravity = 9.81; params.dt = setup"),
        ("self._gym.fetch_results(self._sim, True)", "self._gym.fetch_results(self._sim)"),
    ],
)
def test_a_wrong_name_or_argument_is_found(check, right, wrong):
    """That the test above can fail, and on what."""
    assert any(right in path.read_text() for path in FILES)
    assert check(lambda text: text.replace(right, wrong)) != []


def test_no_check_is_switched_off():
    for path in FILES:
        assert "type: ignore" not in path.read_text()
        assert "pyright:" not in path.read_text()


@pytest.mark.parametrize("size", [(1, 2, 6), (3, 3, 6), (4096, 8, 6)])
def test_fields_are_aligned_and_apart(size):
    made = block_layout.make_block_layout(*size)
    end = 0
    for field in made.fields.values():
        assert field.offset % 256 == 0
        assert field.offset >= end
        end = field.offset + field.num_bytes
    assert made.size >= end
