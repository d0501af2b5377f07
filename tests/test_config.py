"""Configuration: files, flags, and that no field is idle."""

import dataclasses
import re
from pathlib import Path

import pytest

from screwpush_jax.config import Config, from_tree, load_yaml, parse, to_tree
from screwpush_jax.errors import UsageError

ROOT = Path(__file__).parent.parent


def leaf_fields(kind):
    for field in dataclasses.fields(kind):
        default = getattr(kind(), field.name)
        if dataclasses.is_dataclass(default):
            yield from leaf_fields(type(default))
        else:
            yield kind, field.name


@pytest.mark.parametrize(("kind", "name"), list(leaf_fields(Config)))
def test_each_field_is_read_and_explained(kind, name):
    source = "".join(p.read_text() for folder in ("screwpush_jax", "sim") for p in
                     (ROOT / folder).rglob("*.py"))  # fmt: skip
    by_name = kind.__name__ in ("RewardWeights", "LogConfig")  # read through their table of names
    assert by_name or re.search(rf"\.{name}\b|\b{name}=|\"{name}\"", source)
    if kind.__name__ != "Bolt":
        definition = source.split(f"class {kind.__name__}", 1)[1]
        assert re.search(rf'\n    {name}: [^\n]*\n    """', definition)


def test_default_yaml_says_what_the_code_says():
    path = ROOT / "configs" / "default.yaml"
    assert load_yaml(path, Config, Config()) == Config()
    shown = set(re.findall(r"^ *([a-z_0-9]+):", path.read_text(), re.M))
    assert shown >= {name for _, name in leaf_fields(Config)}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_each_preset_is_valid(path):
    load_yaml(path, Config, Config()).check()


def test_a_configuration_survives_its_tree():
    config = parse(
        Config,
        [
            "--ppo.hidden-sizes",
            "8",
            "4",
            "--separate.active-axes",
            "x",
            "--separate.no-sort-screws",
        ],
        Config(),
        "test",
        "",
    )
    assert config.ppo.hidden_sizes == (8, 4)
    assert from_tree(to_tree(config), Config, Config()) == config


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (["--scene.num-screws", "9"], "2 to 8"),
        (["--separate.active-axes", "x", "x"], "different"),
        (["--ppo.gamma", "1.5"], "0 to 1"),
        (["--ppo.num-steps", "0"], "greater than 0"),
    ],
)
def test_values_that_cannot_run_are_refused(flags, hint):
    with pytest.raises(UsageError, match=hint):
        parse(Config, flags, Config(), "test", "").check()
