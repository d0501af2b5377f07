"""Configuration files: a value stays what was written, a mistake is one line."""

import dataclasses
import json
import random
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import pytest
import yaml

from screwpush_jax.config import config_type, from_tree, load_tree, load_yaml, to_tree
from screwpush_jax.errors import UsageError
from screwpush_jax.train import TrainArgs

Config = config_type()


@pytest.fixture
def read(tmp_path):
    """Reads a YAML text (or bytes) as a configuration file."""

    def call(text, kind=Config):
        path = tmp_path / "some.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_yaml(path, kind, kind())

    return call


TAKEN = {
    "digits as a name": ("name: 007", "name", "007"),
    "yes as a name": ("name: yes", "name", "yes"),
    "a float as a name": ("name: 1e-3", "name", "1e-3"),
    "a date as a name": ("name: 2026-11-26", "name", "2026-11-26"),
    "null in quotes": ("name: 'null'", "name", "null"),
    "a flag as a name": ("name: --seed", "name", "--seed"),
    "spaces": ("name: two words", "name", "two words"),
    "empty": ("name: ''", "name", ""),
    "a float that YAML reads as text": ("ppo: {learning_rate: 1e-3}", "ppo.learning_rate", 1e-3),
    "an int for a float": ("ppo: {gamma: 1}", "ppo.gamma", 1.0),
    "underscores": ("total_env_steps: 1_000_000", "total_env_steps", 1_000_000),
    "a leading zero is no octal": ("seed: 010", "seed", 10),
    "a negative": ("seed: -3", "seed", -3),
    "infinity, which the check refuses": ("max_minutes: -.inf", "max_minutes", float("-inf")),
    "yes": ("isaacgym: {viewer: yes}", "isaacgym.viewer", True),
    "loggers": ("log: {to: [wandb, jsonl]}", "log.to", ("wandb", "jsonl")),
    "Off": ("fast_compile: Off", "fast_compile", False),
    "a list": ("ppo: {hidden_sizes: [8, 4]}", "ppo.hidden_sizes", (8, 4)),
    "an empty list": ("ppo: {hidden_sizes: []}", "ppo.hidden_sizes", ()),
    "axes": ("env: {active_axes: [y, x]}", "env.active_axes", ("y", "x")),
    "an empty section": ("ppo: {}", "ppo", Config().ppo),
    "an alias": ("seed: &s 5\neval: {seed: *s}", "eval.seed", 5),
    "an empty file": ("", "name", ""),
    "comments only": ("# nothing\n---\n", "name", ""),
    "a byte order mark": (b"\xef\xbb\xbfname: marked", "name", "marked"),
    "letters of other scripts": ("name: \u00e4\u5b9f\u9a13", "name", "\u00e4\u5b9f\u9a13"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_value_stays_what_was_written(case, read):
    text, path, expected = TAKEN[case]
    value = read(text)
    for name in path.split("."):
        value = getattr(value, name)
    assert value == expected
    assert type(value) is type(expected)


REFUSED = {
    "null": ("runs_dir: null", "runs_dir: null"),
    "tilde, which is null": ("runs_dir: ~", "runs_dir: null"),
    "no value": ("name:", "name: null"),
    "null in a list": ("ppo: {hidden_sizes: [8, ~]}", "ppo.hidden_sizes: null"),
    "a section that is null": ("ppo:\n  # gamma: 1", "takes a mapping"),
    "key twice": ("seed: 1\nname: a\nseed: 2", "line 3: 'seed' stands there twice"),
    "key twice within": ("ppo: {gamma: 1, gamma: 0.5}", "'gamma' stands there twice"),
    "section twice": ("ppo: {gamma: 1}\nppo: {num_steps: 2}", "line 2: 'ppo' stands there twice"),
    "a flag only": ("test: true", "'test' is a flag of the command line"),
    "checkpoint": ("checkpoint: latest", "'checkpoint' is a flag of the command line"),
    "config": ("config: other.yaml", "'config' is a flag of the command line"),
    "a property": ("batch_size: 3", "unknown key 'batch_size'"),
    "a method": ("check: 3", "unknown key 'check'"),
    "a section of nothing": ("optimizer: {lr: 1}", "'optimizer' is unknown"),
    "a mapping for a value": ("seed: {a: 1}", "'seed' is no section"),
    "a float for an int": ("seed: 1.0", "seed: 1.0; valid: a whole number"),
    "an exponent for an int": ("seed: 1e3", "valid: a whole number"),
    "a bool for an int": ("seed: true", "valid: a whole number"),
    "a bool for a float": ("ppo: {gamma: true}", "ppo.gamma: true; valid: a number"),
    "a number for a bool": ("fast_compile: 1", "valid: true, false"),
    "hexadecimal": ("seed: 0x10", "valid: a whole number"),
    "sixty minutes": ("seed: 1:30", "valid: a whole number"),
    "a scalar for a list": ("ppo: {hidden_sizes: 64}", "valid: a list"),
    "a flag in a list": ("env: {active_axes: [x, --seed, 3]}", "active_axes: --seed; valid: x"),
    "a list too short": ("env: {tip_height_m: [0.1]}", "valid: a list of 2"),
    "a list for a value": ("seed: [1]", "valid: a whole number"),
    "a list for text": ("name: [a]", "valid: text"),
    "an unknown choice": ("env: {observation: half}", "valid: full, set, prototype19"),
    "too many digits": (f"seed: {'9' * 5000}", "valid: a whole number"),
    "a float too large": (f"max_minutes: !!str {'9' * 400}x", "valid: a number"),
    "a merge": ("base: &b {gamma: 1}\nppo: {<<: *b}", "'base' is unknown"),
    "a merge alone": ("ppo: {<<: {gamma: 1}}", "'ppo.<<' is unknown"),
    "a tag of Python's": ("name: !!python/object/apply:os.getcwd []", "tag"),
    "binary": ("name: !!binary aGFsbG8=", "tag"),
    "a key that is a list": ("[1, 2]: 3", "a key must be"),
    "a list at the top": ("[1, 2]", "must be a mapping"),
    "a text at the top": ("seed", "must be a mapping"),
    "false at the top": ("false", "must be a mapping"),
    "tabs": ("ppo:\n\tgamma: 1", "not valid YAML"),
    "two documents": ("seed: 1\n---\nseed: 2", "not valid YAML"),
    "a zero byte": (b"seed: 1\x00", "not valid YAML"),
    "an unknown alias": ("seed: *none", "not valid YAML"),
    "an alias of itself": ("ppo: &p {gamma: *p}", "nested too deeply"),
    "deep": ("[" * 1500 + "]" * 1500, "nested too deeply"),
    "laughs": (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "\n".join(f"{n}: &{n} [{','.join(['*' + p] * 9)}]" for p, n in zip("abcdefgh", "bcdefghi", strict=True)),
        "more than 10000 values",
    ),
    "Latin-1": ("name: \u00e4".encode("latin-1"), "not UTF-8"),
    "UTF-16": ("seed: 1".encode("utf-16"), "not UTF-8"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_one_line(case, read, tmp_path):
    text, hint = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        read(text, config_type(kind=TrainArgs))
    said = str(caught.value)
    assert hint in said
    assert str(tmp_path / "some.yaml") in said
    assert "\n" not in said


def test_what_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "other.yaml").write_text("seed: 1")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_tree(tmp_path / "other.yaml") == {"seed": "1"}
    cases = {
        tmp_path / "none.yaml": "no such file; configurations there: .*other.yaml",
        tmp_path / "none" / "deep.yaml": "none there",
        tmp_path: "not a file",
        "/dev/zero": "not a file",
        tmp_path / "other.yaml" / "below": "cannot be read|no such file",
        tmp_path / ("x" * 300): "cannot be read",
        "a\0b": "NUL",
        "~nobody-of-this-name/a.yaml": "no such home folder",
    }
    for path, hint in cases.items():
        with pytest.raises(UsageError, match=hint) as caught:
            load_tree(type(tmp_path)(path))
        assert "\n" not in str(caught.value)
    assert load_yaml(type(tmp_path)("~/other.yaml"), Config, Config()).seed == 1


def test_a_file_without_permission_is_one_line(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.yaml").write_text("seed: 1")
    monkeypatch.setattr(type(tmp_path), "read_bytes", refuse)
    with pytest.raises(UsageError, match="Permission denied"):
        load_tree(tmp_path / "a.yaml")


WORDS = ["", "null", "~", "yes", "No", "true", "007", "1e-3", "-3", ".inf", "-v2", "--seed", "-", "0x1f",
         "a: b", "# c", " a ", "a\nb", "'", '"', "[x]", "{a: b}", "*a", "&a", "!b", "%", "@", "`", "<<",
         "2026-11-26", "1:30", "None", "\u00e4\u5b9f\U0001f600", "tab\there", "\x07", "\u2028", "a" * 300,
         "word " * 40, "\ufeffmark", "...", "---", "?", ": ", "\\", "$HOME", "~/runs"]  # fmt: skip


def draw(rng, hint):
    """A value of the type, of those that look like something else with preference."""
    if get_origin(hint) is Annotated:
        return draw(rng, get_args(hint)[0])
    if get_origin(hint) is Literal:
        return rng.choice(get_args(hint))
    if get_origin(hint) is tuple:
        first, *rest = get_args(hint)
        each = [first] * rng.choice([0, 1, 5]) if rest[0] is Ellipsis else [first, *rest]
        return tuple(draw(rng, item) for item in each)
    if hint is bool:
        return rng.random() < 0.5
    if hint is int:
        return rng.choice([0, -1, 7, 10**20, -(2**63), rng.randrange(-(10**6), 10**6)])
    if hint is float:
        return rng.choice([0.0, 1.0, -2.0, 1e22, 1e-300, 1.5e300, rng.gauss(0, 1), -rng.random()])
    return rng.choice(WORDS) + rng.choice(["", "", rng.choice(WORDS)])


def drawn(rng, default):
    hints = get_type_hints(type(default), include_extras=True)
    values = {}
    for field in dataclasses.fields(default):
        known = getattr(default, field.name)
        section = dataclasses.is_dataclass(known)
        values[field.name] = drawn(rng, known) if section else draw(rng, hints[field.name])
    return dataclasses.replace(default, **values)


@pytest.mark.parametrize("seed", range(40))
def test_any_configuration_survives_its_file(seed, tmp_path):
    config = drawn(random.Random(seed), Config())
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(to_tree(config), sort_keys=False))
    assert load_yaml(path, Config, Config()) == config
    assert from_tree(to_tree(config), Config, Config()) == config
    assert from_tree(json.loads(json.dumps(to_tree(config))), Config, Config()) == config


@pytest.mark.parametrize(
    ("tree", "hint"),
    [
        ({"name": None}, "null"),
        ({"name": 7}, "valid: text"),
        ({"seed": 1.0}, "whole number"),
        ({"seed": True}, "whole number"),
        ({"ppo": {"gamma": False}}, "a number"),
        ({"ppo": {"gamma": 10**400}}, "a number"),
        ({"fast_compile": 1}, "true, false"),
        ({1: 2}, "unknown key '1'"),
        ({"ppo": None}, "takes a mapping"),
        ({"sim": ["auto"]}, "valid: auto"),
        ([1], "must be a mapping"),
        (None, "must be a mapping"),
    ],
)
def test_a_tree_of_the_wrong_types_is_refused(tree, hint):
    with pytest.raises(UsageError, match=hint):
        from_tree(tree, Config, Config())
