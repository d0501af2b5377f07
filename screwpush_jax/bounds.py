"""Holds a configuration against what its own dataclasses declare.

The bounds of a single value stand at its field, as `typing.Annotated` with `annotated_types`
(`Gt`, `Interval`, `MinLen`, ...); relations between fields stand in a method `check()` of the
dataclass that owns them, which raises ValueError with a message that begins with a field's name.
"""

import dataclasses
import operator
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import annotated_types as at
import numpy as np

from screwpush_jax.errors import UsageError

LARGEST_INT = 2**31 - 1
"""What JAX counts with, where the field declares no bound of its own."""
_COMPARE = {
    at.Gt: ("gt", operator.gt, "greater than {}"),
    at.Ge: ("ge", operator.ge, "{} or more"),
    at.Lt: ("lt", operator.lt, "less than {}"),
    at.Le: ("le", operator.le, "at most {}"),
}
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


def check_section(section: Any, prefix: str = "") -> None:
    """Checks every field of a dataclass and of those in it, and then what relates the fields.

    Args:
      section: the dataclass.
      prefix: what stands before its fields' names in a flag, such as `ppo.`; a top level
        (without one) calls this from its own `check()`, which is not called here.

    Raises:
      UsageError: `--<flag> <value>; valid: <what is valid>`.
    """
    hints = get_type_hints(type(section), include_extras=True)
    for field in dataclasses.fields(section):
        name, value = f"{prefix}{field.name}", getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            check_section(value, f"{name}.")
        elif valid := _violated(value, hints[field.name]):
            raise UsageError(f"--{flag(name)} {shown(value)}; valid: {valid}")
    if prefix and hasattr(section, "check"):
        try:
            section.check()
        except ValueError as error:
            raise as_flag(error, prefix) from None


def as_flag(error: ValueError, prefix: str = "") -> UsageError:
    """What a `check()` complained of, with the field's flag instead of its name."""
    name, _, rest = str(error).partition(" ")
    return UsageError(f"--{flag(prefix + name)} {rest}")


def flag(name: str) -> str:
    """A field's path as it is written on a command line, without the leading dashes."""
    return name.replace("_", "-")


def shown(value: Any) -> str:
    """A value as a command line would have it, always in one line."""
    if isinstance(value, tuple | list):
        return " ".join(map(shown, value)) or "(none)"
    if isinstance(value, str):
        plain = value.isprintable() and value.strip() == value != ""
        return value if plain else repr(value)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _violated(value: Any, hint: Any) -> str:
    """What would be valid, if `value` is not; else empty."""
    declared: list[Any] = []
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        declared = list(_single(extras))
    if isinstance(value, tuple):
        return _violated_in_tuple(value, get_args(hint), declared)
    if isinstance(value, str):
        return _violated_in_text(value, declared)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if not all(_holds(value, bound) for bound in declared):
        return _sentence(declared)
    if isinstance(value, float) and not abs(value) <= _LARGEST_FLOAT:
        return "a finite number"
    bounded_above = any(isinstance(bound, at.Le | at.Lt) for bound in declared)
    if isinstance(value, int) and not bounded_above and abs(value) > LARGEST_INT:
        return f"at most {LARGEST_INT}"
    return ""


def _violated_in_tuple(value: tuple[Any, ...], hints: Sequence[Any], declared: list[Any]) -> str:
    for bound in declared:
        if isinstance(bound, at.MinLen) and len(value) < bound.min_length:
            return f"{bound.min_length} or more values"
        if isinstance(bound, at.MaxLen) and len(value) > bound.max_length:
            return f"at most {bound.max_length} values"
    each = [hints[0]] * len(value) if hints[-1] is Ellipsis else hints
    return next(filter(None, map(_violated, value, each)), "")


def _violated_in_text(value: str, declared: list[Any]) -> str:
    if any(unicodedata.category(letter) == "Cc" for letter in value):
        return "text without control characters"
    shortest = max((b.min_length for b in declared if isinstance(b, at.MinLen)), default=0)
    return "text that is not empty" if len(value) < shortest else ""


def _single(extras: Sequence[Any]) -> Iterator[Any]:
    """The single bounds, those in groups such as `Interval`, too."""
    for extra in extras:
        yield from _single(list(extra)) if isinstance(extra, at.GroupedMetadata) else (extra,)


def _holds(value: float, bound: Any) -> bool:
    """Whether a number keeps a bound; a strict one also when it is rounded to JAX's float32."""
    if type(bound) not in _COMPARE:
        if isinstance(bound, at.BaseMetadata):
            raise TypeError(f"{bound} is not known here and would hold nobody")
        return True
    name, compare, _ = _COMPARE[type(bound)]
    limit = getattr(bound, name)
    strict = isinstance(value, float) and isinstance(bound, at.Gt | at.Lt)
    return compare(value, limit) and (not strict or compare(_in_float32(value), limit))


def _in_float32(value: float) -> float:
    return float(np.float32(value)) if abs(value) <= _LARGEST_FLOAT else value


def _sentence(declared: list[Any]) -> str:
    kept = [bound for bound in declared if type(bound) in _COMPARE]
    kinds = {type(bound): bound for bound in kept}
    if kinds.keys() == {at.Ge, at.Le}:
        return f"{kinds[at.Ge].ge} to {kinds[at.Le].le}"
    texts = ((*_COMPARE[type(bound)], bound) for bound in kept)
    return " and ".join(text.format(getattr(bound, name)) for name, _, text, bound in texts)
