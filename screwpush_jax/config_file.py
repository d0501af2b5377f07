"""A configuration as a plain nested mapping, and as YAML: a value stays what was written.

A file is read as text and each text is converted by its field's own type, so that `name: 007` is
a name, `learning_rate: 1e-3` a number, and a list item that begins with dashes no flag.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml

from screwpush_jax import migrate
from screwpush_jax.algorithms import registry as algorithms
from screwpush_jax.bounds import shown
from screwpush_jax.errors import UsageError
from screwpush_jax.yaml_file import load_tree

T = TypeVar("T")
FLAG_ONLY = "flag only"
"""Marks (in `Annotated`) a field that only a command line may set."""
_TRUTH = yaml.SafeLoader.bool_values


def load_yaml(path: Path, kind: type[T], default: T) -> T:
    """`default` with the keys of the YAML file on top.

    Raises:
      UsageError: no such file, no mapping, an unknown key or a value of the wrong type.
    """
    tree = load_tree(path)
    try:
        return from_tree(tree, kind, default)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def from_tree(tree: dict[str, Any], kind: type[T], default: T) -> T:
    """`default` with the nested mapping `tree` on top; each value of its field's type, or a text.

    Raises:
      UsageError: an unknown key, a key that only a command line takes, a value of the wrong type.
    """
    assert isinstance(default, kind)
    if not isinstance(tree, dict):
        raise UsageError("the top level must be a mapping of fields")
    return _merge(tree, default, "")


def to_tree(config: Any) -> dict[str, Any]:
    """Plain nested mapping of a configuration, for YAML and JSON."""
    return _plain(dataclasses.asdict(config))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _merge(tree: dict[str, Any], default: Any, prefix: str) -> Any:
    hints = get_type_hints(type(default), include_extras=True)
    changes = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        known = getattr(default, key) if key in hints else None
        if isinstance(value, dict) and not dataclasses.is_dataclass(known):
            what = "is no section" if key in hints else "is unknown"
            where = migrate.hint(path) or algorithms.section_hint(path)
            raise UsageError(f"the section {path!r} {what}{where}; {_valid_keys(default)}")
        if key not in hints:
            where = migrate.field_hint(path)
            raise UsageError(f"unknown key {path!r}{where}; {_valid_keys(default)}")
        if not dataclasses.is_dataclass(known):
            changes[key] = _convert(value, hints[key], path)
        elif isinstance(value, dict):
            changes[key] = _merge(value, known, f"{path}.")
        else:
            raise UsageError(f"{path!r} is a section and takes a mapping; {_valid_keys(known)}")
    return dataclasses.replace(default, **changes)


def _convert(value: Any, hint: Any, path: str) -> Any:
    """The value of a field of the type `hint`."""
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        if FLAG_ONLY in extras:
            raise UsageError(f"{path!r} is a flag of the command line; take it out of the file")
    if value is None:
        raise UsageError(f"{path}: null; valid: a value, or leave the key out for its default")
    if get_origin(hint) is tuple:
        return _convert_list(value, get_args(hint), path)
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return str(value)
        valid = ", ".join(get_args(hint))
    else:
        try:
            return _CONVERTERS[hint](value)
        except (ValueError, TypeError, OverflowError, KeyError):
            valid = _WANTED[hint]
    raise UsageError(f"{path}: {shown(value)}; valid: {valid}")


def _convert_list(value: Any, hints: tuple[Any, ...], path: str) -> tuple[Any, ...]:
    if hints[-1] is Ellipsis:
        hints = hints[:1] * len(value) if isinstance(value, list | tuple) else hints
        wanted = "a list"
    else:
        wanted = f"a list of {len(hints)}"
    if not isinstance(value, list | tuple) or len(value) != len(hints):
        raise UsageError(f"{path}: {shown(value)}; valid: {wanted}, such as [1, 2]")
    return tuple(_convert(item, hint, path) for item, hint in zip(value, hints, strict=True))


def _to_bool(value: Any) -> bool:
    return value if isinstance(value, bool) else _TRUTH[_to_text(value).lower()]


def _to_int(value: Any) -> int:
    return value if type(value) is int else int(_to_text(value))


def _to_float(value: Any) -> float:
    if type(value) in (int, float):
        return float(value)
    text = _to_text(value)
    sign = text[:1] if text[:1] in ("-", "+") else ""
    special = text.removeprefix(sign).lower() in (".inf", ".nan")  # YAML's own spelling
    return float(sign + text.removeprefix(sign)[1:]) if special else float(text)


def _to_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return str(value)


_CONVERTERS: dict[Any, Any] = {bool: _to_bool, int: _to_int, float: _to_float, str: _to_text}
_WANTED = {bool: "true, false", int: "a whole number", float: "a number", str: "text, in quotes"}


def _valid_keys(section: Any) -> str:
    return "valid: " + ", ".join(field.name for field in dataclasses.fields(section))
