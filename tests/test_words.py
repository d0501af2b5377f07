"""Words: what is general has none of a task's, and what the docs name is there."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GENERAL = {"sim": ("sim/assets",), "screwpush_jax": ("screwpush_jax/tasks/*/",)}
"""Packages that know no task, and their folders that may."""
WORD_OF_A_TASK = re.compile(
    r"(?i:screw(?!push)|bolt)"
    # as a word or a part of a name: `rod_end`, `TipPose`, `the tip`, but neither `period` nor `multiply`
    r"|(?:(?<![A-Za-z])(?:tip|rod)|Tip|Rod|(?<![A-Z])(?:TIP|ROD))s?(?![a-z])"
)


@pytest.mark.parametrize("package", GENERAL)
def test_what_is_general_has_no_word_of_a_task(package):
    special = {folder for pattern in GENERAL[package] for folder in ROOT.glob(pattern)}
    files = [p for p in (ROOT / package).rglob("*.py") if not special & set(p.parents)]
    assert special
    assert len(files) > 40
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
        *((f"x = {word}", True) for word in ("jax/screws/io.py", "sim/bolt.py", "sim/rod_mesh.py")),
        *((f"x = {word}", False) for word in ("screwpush_jax", "SCREWPUSH_X", "period", "product")),
        *((f"x = {word}", False) for word in ("multiply", "tipping", "Rodrigues", "PRODUCT")),
    ],
)
def test_words_of_a_task_are_told_from_others(line, found):
    assert bool(WORD_OF_A_TASK.search(line)) == found


OF_A_RUN = {"config.yaml", "metrics.jsonl", "report.png", "provenance.json"}
"""What a run writes into its own folder."""
FOLDERS = ("screwpush_jax", "sim", "configs", "benchmarks", "tests", "docs", "examples")
OF_OTHERS = {"docs/upgrading.md", "docs/coming_from.md"}
"""Name files of older versions, or of other projects."""
DOCS = ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.slow
def test_what_the_docs_name_is_there():
    files = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*.*")]
    files += ROOT.glob("*.*")
    texts = {name: (ROOT / name).read_text() for name in DOCS if name not in OF_OTHERS}
    paths, modules = 0, set()
    for name, text in texts.items():
        named = re.findall(r"`([\w./-]+\.(?:py|yaml|md|txt|jsonl|png|toml))`", text)
        for path in set(named) - OF_A_RUN:
            found = [f for f in files if f == ROOT / path or str(f).endswith(f"/{path}")]
            assert found, f"{name}: {path}"
            paths += 1
        modules |= set(re.findall(r"python -m ((?:screwpush|benchmarks)[\w.]+\w)", text))
    assert paths > 30
    assert len(modules) > 10
    for module in modules:
        assert importlib.util.find_spec(module), module
