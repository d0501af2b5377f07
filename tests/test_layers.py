"""The layer rule: who may import whom, read from the source."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "screwpush_jax/algorithms/common": ("screwpush_jax.algorithms.common",),
    "screwpush_jax/algorithms": ("screwpush_jax.algorithms",),
    "screwpush_jax/tasks": (
        *(
            "screwpush_jax.tasks",
            "screwpush_jax.errors",
            "screwpush_sim.protocol",
            "screwpush_sim.scene",
            "screwpush_sim.state",
            "screwpush_sim.assets",
        ),
    ),
    "sim": ("screwpush_sim",),
}
ENGINES = ("mujoco", "mujoco_warp", "warp", "isaacgym", "torch", "ovphysx", "ovstage")


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{a.name}" for a in node.names}
    return names


@pytest.mark.parametrize("layer", ALLOWED)
def test_a_layer_imports_only_what_it_may_know(layer):
    files = list((ROOT / layer).rglob("*.py"))
    assert files
    for path in files:
        own = {n for n in imports(path) if n.split(".")[0] in ("screwpush_jax", "screwpush_sim")}
        bad = {n for n in own if not n.startswith(ALLOWED[layer]) and n != "screwpush_jax"}
        assert not bad, f"{path} imports {bad}"


def test_nothing_outside_sim_imports_an_engine():
    for path in (ROOT / "screwpush_jax").rglob("*.py"):
        assert not {n for n in imports(path) if n.split(".")[0] in ENGINES}, path


def test_only_one_module_compiles():
    users = {p.name for p in (ROOT / "screwpush_jax").rglob("*.py") if "jax.jit(" in p.read_text()}
    assert users == {"compiled.py"}


LATE = ("matplotlib", "tensorboardX", "rich", "wandb", "swanlab", "imageio", "imageio_ffmpeg")
"""They read settings of the user's, or take seconds, or may be missing."""
LATE_MODULES = ("live_bar.py",)
"""Imported late themselves."""


def test_what_only_shows_a_run_is_imported_late():
    for path in (ROOT / "screwpush_jax").rglob("*.py"):
        if path.name not in LATE_MODULES:
            names = set()
            for node in ast.parse(path.read_text()).body:  # not those within functions
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names |= {f"{node.module}.{alias.name}" for alias in node.names}
            assert not {n for n in names if n.split(".")[0] in LATE}, path
            assert not {n for n in names if f"{n.split('.')[-1]}.py" in LATE_MODULES}, path


GENERAL = {"sim": ("sim/assets",)}
"""Packages that know no task, and their folders that may."""
WORD_OF_A_TASK = re.compile(
    r"(?i:screw(?!push)|bolt)"
    # as a word or a part of a name: `rod_end`, `TipPose`, `the tip`, but neither `period` nor `multiply`
    r"|(?:(?<![A-Za-z])(?:tip|rod)|Tip|Rod|(?<![A-Z])(?:TIP|ROD))s?(?![a-z])"
)


@pytest.mark.parametrize("package", GENERAL)
def test_what_is_general_has_no_word_of_a_task(package):
    special = [ROOT / folder for folder in GENERAL[package]]
    files = [p for p in (ROOT / package).rglob("*.py") if not set(special) & set(p.parents)]
    assert len(files) > len(special)
    for path in files:
        assert not WORD_OF_A_TASK.search(str(path.relative_to(ROOT))), path
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            assert not WORD_OF_A_TASK.search(line), f"{path}:{number}: {line.strip()}"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        *((f"x = {word}", True) for word in ("num_screws", "Bolt()", "bolts", "SCREW", "bolted")),
        *((f"x = {word}", True) for word in ("rod", "rod_end", "ROD_END_M", "the Rod", "rods")),
        *((f"x = {word}", True) for word in ("tip_m", "TipPose", "TIP_M", "new_tip", "the tips")),
        *((f"x = {word}", False) for word in ("screwpush_jax", "SCREWPUSH_X", "period", "product")),
        *((f"x = {word}", False) for word in ("multiply", "tipping", "Rodrigues", "PRODUCT")),
    ],
)
def test_words_of_a_task_are_told_from_others(line, found):
    assert bool(WORD_OF_A_TASK.search(line)) == found
