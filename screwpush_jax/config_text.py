"""A configuration as YAML for people: each field below what its docstring says.

`configs/default.yaml` is this text of the default configuration.
"""

import ast
import dataclasses
import functools
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

_WIDTH = 100
_HEADER = "# Every knob of a run. Copy what you change into a file of your own: --config mine.yaml"


def to_yaml(config: Any) -> str:
    """The whole configuration, with comments; reading it gives `config` again."""
    return "\n".join([_HEADER, *_lines(config, "")]) + "\n"


def _lines(section: Any, indent: str) -> Iterator[str]:
    docs = field_docs(type(section))
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        nested = dataclasses.is_dataclass(value)
        text = docs.get(field.name) or (_first_line(type(value)) if nested else "")
        width = _WIDTH - len(indent) - 2
        yield from (f"{indent}# {line}" for line in textwrap.wrap(text, width))
        if nested:
            yield f"{indent}{field.name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{field.name}: {_plain(value)}"


def _plain(value: Any) -> str:
    value = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()


@functools.cache
def field_docs(kind: type) -> dict[str, str]:
    """The text below each field of a dataclass and of those that it inherits from, on one line.

    A class without source, such as one that was made from parts, adds none.
    """
    docs: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        try:
            source = textwrap.dedent(inspect.getsource(owner))
            body = ast.parse(source).body[0]
        except (OSError, TypeError, SyntaxError, IndexError):
            continue
        if isinstance(body, ast.ClassDef) and body.name == owner.__name__:
            docs |= dict(_docs_in(body))
    return docs


def _docs_in(body: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            yield field.target.id, " ".join(after.value.value.split())


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
