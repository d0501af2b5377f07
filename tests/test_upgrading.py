"""What docs/upgrading.md says about names, against the flags, sections and modules that there are."""

import contextlib
import importlib
import importlib.util
import io
import re
import tomllib
from pathlib import Path

import pytest

from screwpush_jax import checkpoint_folder, cli
from screwpush_jax.config import config_type, load_yaml, parse
from screwpush_jax.errors import UsageError

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/upgrading.md").read_text()
ROWS = [
    tuple(re.findall(r"`([^`]+)`", cell) for cell in row)
    for row in re.findall(r"^\| (`.+?) \| (`.+?) \|", TEXT, re.MULTILINE)
]
FLAGS = [(old, new) for (old,), (new, *_) in ROWS if old.startswith("--")]
MODULES = [
    (old.removeprefix("python -m "), [name.removeprefix("python -m ") for name in new])
    for (old,), new in ROWS
    if not old.startswith("--")
]
KIND = config_type(kind=cli.CommandArgs)


def refusal(args) -> str:
    with pytest.raises(UsageError) as caught:
        parse(KIND, args, KIND(), "train", "")
    return str(caught.value)


@pytest.fixture(scope="module")
def flags() -> set[str]:
    """Every flag that help lists for the task of the old versions."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        parse(KIND, ["--help"], KIND(), "train", "")
    return set(re.findall(r"--[a-z][a-z0-9.-]+", said.getvalue()))


@pytest.mark.parametrize(("old", "new"), FLAGS)
def test_each_new_flag_exists_and_each_old_one_does_not(old, new, flags):
    assert old.endswith("*") == new.endswith("*")
    if old.endswith("*"):
        after = [flag.removeprefix(new[:-1]) for flag in flags if flag.startswith(new[:-1])]
        assert len(after) > 5
        assert not {old[:-1] + name for name in after} & flags
        old, new = f"{old[:-1]}{after[0]}", f"{new[:-1]}{after[0]}"
    assert new in flags
    assert old not in flags
    assert old in refusal([old, "0.1"])


@pytest.mark.parametrize(("old", "new"), FLAGS)
def test_a_file_with_an_old_key_is_refused_and_told_the_new_one(old, new, tmp_path):
    *sections, key = old.removeprefix("--").replace("-", "_").split(".")
    section = sections[0]
    key = "separation_m" if section == "separate" else key.replace("*", "friction")
    path = tmp_path / "old.yaml"
    path.write_text("".join(f"{'  ' * n}{s}:\n" for n, s in enumerate(sections)))
    with path.open("a") as file:
        file.write(f"{'  ' * len(sections)}{key}: 0.1\n")
    with pytest.raises(UsageError) as caught:
        load_yaml(path, KIND, KIND())
    there = new.removeprefix("--").replace("-", "_").removesuffix(".*")
    assert re.search(rf"\b{there.split('.', 1)[1] if section == 'mujoco_warp' else there}\b",
                     str(caught.value))  # fmt: skip


def test_the_table_of_checkpoints_ends_with_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    rows = re.findall(r"^\| \d+ \| (.+) \| (.+) \| (.+) \|$", TEXT, re.MULTILINE)
    assert all(played.endswith(f" to {version}") for _, played, _ in rows)
    assert rows[-1][0].endswith(version)
    assert rows[-1][2].endswith(f" to {version}")


@pytest.mark.parametrize(("old", "new"), MODULES)
def test_each_new_module_exists_and_each_old_one_does_not(old, new):
    for name in new:
        module, _, last = name.rpartition(".")
        assert importlib.util.find_spec(module), name
        if last[0].isupper():
            assert hasattr(importlib.import_module(module), last)
        else:
            assert importlib.util.find_spec(name), name
    if new[0].removeprefix("screwpush_") != old:  # another name than that of the package
        module, _, last = old.rpartition(".")
        path = ROOT / old.replace(".", "/")
        assert not path.is_dir()
        assert not path.with_suffix(".py").exists()
        file = ROOT / f"{module.replace('.', '/')}.py"
        assert not (file.exists() and re.search(rf"^class {last}\b", file.read_text(), re.M))


def test_the_formats_of_checkpoints_are_those_that_are_read():
    formats = re.findall(r"^\| (\d+) \| [\d., ]+ \|", TEXT, re.MULTILINE)
    assert list(map(int, formats)) == list(range(1, checkpoint_folder.FORMAT + 1))
