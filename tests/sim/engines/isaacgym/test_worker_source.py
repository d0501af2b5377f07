"""The worker's code: it runs under Python 3.8, imports little, and uses Isaac Gym as its stubs have it."""

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from screwpush_sim.engines.isaacgym.worker import block_layout

from .conftest import ROOT

pytestmark = pytest.mark.slow

WORKER = ROOT / "sim" / "engines" / "isaacgym" / "worker"
FILES = sorted(WORKER.glob("*.py"))


def test_the_worker_is_python_3_8():
    for path in FILES:
        ast.parse(path.read_text(), feature_version=(3, 8))


def test_a_real_python_3_8_compiles_all_of_it_and_runs_what_needs_no_gym(tmp_path):
    python = _python_3_8()
    if python is None:
        pytest.skip("no Python 3.8 here")
    copy = shutil.copytree(WORKER, tmp_path / "worker")
    code = (
        "import compileall, sys, worker.__main__, worker.block_layout as b;"
        " print(b.make_block_layout(5, 3, 6).size);"
        " sys.exit(not compileall.compile_dir('worker', quiet=1))"
    )
    result = subprocess.run(
        [python, "-c", code], cwd=copy.parent, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.strip() == str(block_layout.make_block_layout(5, 3, 6).size)


def _python_3_8() -> str | None:
    """A Python 3.8 that runs: a version manager's `python3.8` may be there and refuse to."""
    managed = Path.home().glob(".pyenv/versions/3.8.*/bin/python")
    for python in filter(None, [shutil.which("python3.8"), *map(str, managed)]):
        ask = [python, "-c", "import sys; sys.exit(sys.version_info[:2] != (3, 8))"]
        if subprocess.run(ask, capture_output=True, check=False).returncode == 0:
            return python
    return None


WATCH_IMPORTS = """
import builtins
real = builtins.__import__
def watched(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and (globals or {{}}).get("__package__") == "worker":
        with open({log!r}, "a") as log:
            print(name.split(".")[0], file=log)
    return real(name, globals, locals, fromlist, level)
builtins.__import__ = watched
"""


def test_a_worker_imports_isaacgym_before_torch_and_else_the_standard_library_alone(
    build, site, tmp_path, targets
):
    """As seen from inside one that builds scenes and steps them."""
    log = tmp_path / "imports"
    sim = build(python_path=site(sitecustomize=WATCH_IMPORTS.format(log=str(log))))
    sim.step(targets)
    names = log.read_text().split()
    assert set(names) - set(sys.stdlib_module_names) == {"isaacgym", "torch"}
    assert names.index("isaacgym") < names.index("torch")


WRONG = {
    "gym.prepare_sim(sim)": "gym.prepare_simulation(sim)",
    "physx.use_gpu =": "physx.gpu =",
    "gymapi.DOMAIN_SIM": "gymapi.DOMAIN_WORLD",
    "gym.add_ground(sim, ": "gym.add_ground(gym, ",
    "params.dt = setup": "params.gravity = 9.81; params.dt = setup",
    "self._gym.fetch_results(self._sim, True)": "self._gym.fetch_results(self._sim)",
}
"""What stands in the worker, and a wrong name or argument in its place."""


@pytest.fixture(scope="module")
def errors(tmp_path_factory) -> dict[str, list[str]]:
    """By edit, `as it is` or a key of `WRONG`: what pyright has against a copy of the worker.

    One run for all copies; comments that switch a check off count for nothing in it.
    """
    if not importlib.util.find_spec("pyright"):
        pytest.skip("pyright is not installed")
    root = tmp_path_factory.mktemp("copies").resolve()
    for number, (right, wrong) in enumerate([("", ""), *WRONG.items()]):
        (root / str(number)).mkdir()
        for path in FILES:
            text = path.read_text().replace("# pyright:", "#")
            (root / str(number) / path.name).write_text(
                text.replace(right, wrong) if right else text
            )
    config = {"typeCheckingMode": "basic", "enableTypeIgnoreComments": False}
    config["reportMissingModuleSource"] = False
    (root / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    result = subprocess.run(
        [*command, "--project", str(root)], capture_output=True, text=True, check=False
    )
    found = json.loads(result.stdout)
    assert found["summary"]["filesAnalyzed"] == len(FILES) * (1 + len(WRONG))
    names, by_edit = ["as it is", *WRONG], {name: [] for name in ["as it is", *WRONG]}
    for item in found["generalDiagnostics"]:
        if item["severity"] == "error":
            number = int(Path(item["file"]).relative_to(root).parts[0])
            by_edit[names[number]].append(item["message"])
    return by_edit


def test_the_worker_agrees_with_the_public_stubs(errors):
    assert errors["as it is"] == []


@pytest.mark.parametrize("right", WRONG)
def test_a_wrong_name_or_argument_is_found(errors, right):
    """That the test above can fail, and on what."""
    assert any(right in path.read_text() for path in FILES)
    assert errors[right] != []


@pytest.mark.parametrize("size", [(1, 2, 6), (3, 3, 6), (4096, 8, 6)])
def test_fields_are_aligned_and_apart(size):
    made = block_layout.make_block_layout(*size)
    end = 0
    for field in made.fields.values():
        assert field.offset % 256 == 0
        assert field.offset >= end
        end = field.offset + field.num_bytes
    assert made.size >= end
