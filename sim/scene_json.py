"""A `Scene` as JSON and back: for processes and files that share no Python with this one."""

import dataclasses
import functools
import json
import types
import typing
from typing import Any

from screwpush_sim.scene import Scene


def dumps(scene: Scene) -> str:
    """JSON text of `scene`: objects by the fields' names, in their order; tuples are lists."""
    return json.dumps(dataclasses.asdict(scene))


def loads(text: str) -> Scene:
    """The scene of the JSON text that `dumps` wrote.

    Raises:
      ValueError: it is no JSON, or no scene: the message names the field.
    """
    return _read(Scene, json.loads(text), "scene")


def _read(kind: Any, value: Any, where: str) -> Any:
    """`value` as the annotated type `kind`; `where` is its place."""
    if dataclasses.is_dataclass(kind):
        return _read_object(kind, value, where)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _read(_member(args, value, where), value, where)
    if origin is typing.Literal:
        if value not in args:
            raise ValueError(f"{where} {value!r}; valid: {', '.join(map(repr, args))}")
        return value
    if origin is tuple:
        return _read_tuple(args, value, where)
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or isinstance(value, bool) and kind is not bool:
        raise ValueError(f"{where} {value!r}; valid: a {getattr(kind, '__name__', kind)}")
    return value


def _read_object(kind: Any, value: Any, where: str) -> Any:
    hints = _hints(kind)
    if not isinstance(value, dict) or not value.keys() <= hints.keys():
        raise ValueError(f"{where} is no {kind.__name__}; valid fields: {', '.join(hints)}")
    try:
        return kind(**{k: _read(hints[k], v, f"{where}.{k}") for k, v in value.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None


def _read_tuple(args: tuple[Any, ...], value: Any, where: str) -> tuple:
    kinds = args[:1] * len(value) if isinstance(value, list) and args[-1] is ... else args
    if not isinstance(value, list) or len(value) != len(kinds):
        raise ValueError(f"{where} {value!r}; valid: a list of {len(args)}")
    pairs = zip(kinds, value, strict=True)
    return tuple(_read(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(pairs))


def _member(args: tuple[Any, ...], value: Any, where: str) -> Any:
    """The member of a union that `value` is: None, the class of its `kind`, or the only other."""
    if value is None and type(None) in args:
        return type(None)
    members = [arg for arg in args if arg is not type(None)]
    if len(members) == 1:
        return members[0]
    said = value.get("kind") if isinstance(value, dict) else None
    by_kind = {typing.get_args(_hints(member)["kind"])[0]: member for member in members}
    if said not in by_kind:
        raise ValueError(f"{where}.kind {said!r}; valid: {', '.join(by_kind)}")
    return by_kind[said]


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
