"""A configuration as a plain nested mapping, and as YAML: a value stays what was written.

A file is read as text and each text is converted by its field's own type, so that `name: 007` is
a name, `learning_rate: 1e-3` a number, and a list item that begins with dashes no flag.
"""

import codecs
import dataclasses
import errno
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml

from screwpush_jax.bounds import shown
from screwpush_jax.errors import UsageError
from screwpush_jax.paths import expand

T = TypeVar("T")
FLAG_ONLY = "flag only"
"""Marks (in `Annotated`) a field that only a command line may set."""
_TRUTH = yaml.SafeLoader.bool_values
_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = {
    _TAG + kind for kind in ("str", "int", "float", "bool", "timestamp", "merge", "value")
}
_MOST_NODES = 10_000
"""More than any configuration has: aliases of aliases grow exponentially."""


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


def load_tree(path: Path) -> dict[str, Any]:
    """The file's mapping: each value is a text as it was written, None for YAML's null, a list,
    or a mapping. An empty file is an empty mapping.

    Raises:
      UsageError: it cannot be read, is no mapping, or says a key twice.
    """
    text = _read(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = None if root is None else _NodeReader().read(root)
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply; valid: sections and their fields") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UsageError(f"{path}: the top level must be a mapping of fields")
    return tree


def from_tree(tree: dict[str, Any], kind: type[T], default: T) -> T:
    """`default` with the nested mapping `tree` on top; each value of its field's type, or a text.

    Raises:
      UsageError: an unknown key, a key that only a command line takes, a value of the wrong type.
    """
    assert isinstance(default, kind)
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
            raise UsageError(f"the section {path!r} {what}; {_valid_keys(default)}")
        if key not in hints:
            raise UsageError(f"unknown key {path!r}; {_valid_keys(default)}")
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


def _read(path: Path) -> str:
    """The file's text, without the mark that some editors put at its beginning."""
    path = expand(str(path), "config")
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "not a file")
        return path.read_bytes().removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except FileNotFoundError:
        near = ", ".join(sorted(str(p) for p in path.parent.glob("*.yaml"))) or "none there"
        raise UsageError(f"--config {path}: no such file; configurations there: {near}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--config {path}: not UTF-8; valid: a YAML file in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"--config {shown(str(path))}: cannot be read ({reason}); valid: a YAML file"
        ) from None


class _NodeReader:
    """Makes plain Python of YAML's nodes; scalars stay the texts that were written."""

    def __init__(self):
        self._count = 0

    def read(self, node: yaml.Node) -> Any:
        """The node as text, None, list or mapping.

        Raises:
          UsageError: a key twice, a tag of Python's, more nodes than a configuration can have.
        """
        self._count += 1
        if self._count > _MOST_NODES:
            raise UsageError(f"more than {_MOST_NODES} values, aliases counted; valid: fewer")
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.read(item) for item in node.value]
        if isinstance(node, yaml.ScalarNode) and node.tag in _TEXT_TAGS:
            return str(node.value)
        if isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "null":
            return None
        raise UsageError(f"{_line(node)}: the tag {node.tag}; valid: plain values without tags")

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise UsageError(f"{_line(key_node)}: a key must be a field's name")
            if key_node.value in tree:
                raise UsageError(f"{_line(key_node)}: {key_node.value!r} stands there twice")
            tree[key_node.value] = self.read(value)
        return tree


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"
