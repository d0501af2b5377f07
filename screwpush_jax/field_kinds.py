"""What a configuration's dataclasses say of their fields, in class variables that list names.

- `POLICY_FIELDS`: a trained policy is bound to them, but for those that `unbound_fields` names, where a
  configuration has that: then it depends on other values.
- `FIXED_FIELDS`: a run that goes on cannot change them, for its arrays have decided them.
- `MACHINE_FIELDS`: they belong to the machine that a run is on. So does every free text: a checkpoint
  may come from anywhere, and names no program, no folder and no service.

A name may be that of a section, and may be dotted. A class that has no such variable lists nothing.
"""

import dataclasses
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints


def leaves(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value in a configuration with its dotted path."""
    for field in dataclasses.fields(section):
        path, value = f"{prefix}{field.name}", getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def listed(config: Any, table: str) -> dict[str, Any]:
    """The values of all fields that the dataclasses in `config` list under `table`, by path."""
    names = tuple(_listed(config, table, ""))
    return {path: value for path, value in leaves(config) if _is_in(path, names)}


def of_a_run(config: Any) -> dict[str, Any]:
    """The values that a checkpoint brings, by path."""
    of_machine = (*_listed(config, "MACHINE_FIELDS", ""), *_texts(config, ""))
    return {path: value for path, value in leaves(config) if not _is_in(path, of_machine)}


def with_values(config: Any, values: dict[str, Any]) -> Any:
    """`config` with other values of some fields, by path."""
    sections: dict[str, dict[str, Any]] = {}
    changes: dict[str, Any] = {}
    for path, value in values.items():
        name, _, rest = path.partition(".")
        if rest:
            sections.setdefault(name, {})[rest] = value
        else:
            changes[name] = value
    for name, inner in sections.items():
        changes[name] = with_values(getattr(config, name), inner)
    return dataclasses.replace(config, **changes)


def _listed(section: Any, table: str, prefix: str) -> Iterator[str]:
    free = getattr(section, "unbound_fields", ()) if table == "POLICY_FIELDS" else ()
    yield from (f"{prefix}{name}" for name in getattr(type(section), table, ()) if name not in free)
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from _listed(value, table, f"{prefix}{field.name}.")


def _texts(section: Any, prefix: str) -> Iterator[str]:
    hints = get_type_hints(type(section), include_extras=True)
    for field in dataclasses.fields(section):
        path, hint = f"{prefix}{field.name}", hints[field.name]
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from _texts(value, f"{path}.")
        elif _holds_free_text(hint):
            yield path


def _holds_free_text(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return _holds_free_text(get_args(hint)[0])
    if get_origin(hint) is tuple:
        return any(map(_holds_free_text, get_args(hint)))
    return hint is str


def _is_in(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in names)
