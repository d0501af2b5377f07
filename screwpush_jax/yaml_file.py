"""A YAML file as a plain mapping of texts: nothing is dropped, guessed or executed."""

import codecs
import errno
from pathlib import Path
from typing import Any

import yaml

from screwpush_jax.bounds import shown
from screwpush_jax.errors import UsageError
from screwpush_jax.paths import expand

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = {
    _TAG + kind for kind in ("str", "int", "float", "bool", "timestamp", "merge", "value")
}
_MOST_NODES = 10_000
"""More than any configuration has: aliases of aliases grow exponentially."""


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


def _read(path: Path) -> str:
    """The file's text, without the mark that some editors put at its beginning."""
    path = expand(str(path), "config")
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "not a file")
        return path.read_bytes().removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except FileNotFoundError:
        there = sorted(str(p) for p in path.parent.glob("*.yaml") if not p.name.startswith("."))
        near = ", ".join(there) or "none there"
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
