"""Prims as USD text (usda), without the USD libraries: a tree that is put together and then written."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

Vector: TypeAlias = Sequence[float] | np.ndarray


@dataclasses.dataclass
class Prim:
    """One prim: its type, name, applied API schemas, properties and children, in order."""

    kind: str
    name: str
    path: str
    apis: list[str] = dataclasses.field(default_factory=list)
    properties: list[str] = dataclasses.field(default_factory=list)
    children: list["Prim"] = dataclasses.field(default_factory=list)

    def add(self, kind: str, name: str, apis: Iterable[str] = ()) -> "Prim":
        """A new child; `name` becomes an identifier by `identifier`."""
        name = identifier(name)
        child = Prim(kind, name, f"{self.path}/{name}", list(apis))
        self.children.append(child)
        return child

    def set(self, kind: str, name: str, value: Any) -> None:
        """A property: `kind` is USD's type of the value, such as `float`, `double3` or `token`."""
        self.properties.append(f"{kind} {name} = {_literal(value)}")

    def relate(self, name: str, *targets: str) -> None:
        """A relationship with the prims of these paths."""
        listed = ", ".join(f"<{target}>" for target in targets)
        self.properties.append(f"rel {name} = {listed if len(targets) == 1 else f'[{listed}]'}")

    def place(self, pos_m: Vector, quat_wxyz: Vector) -> None:
        """The pose in the parent prim's frame."""
        self.set("double3", "xformOp:translate", tuple(pos_m))
        self.set("quatd", "xformOp:orient", tuple(quat_wxyz))
        self.set("uniform token[]", "xformOpOrder", ["xformOp:translate", "xformOp:orient"])

    def lines(self, indent: str = "") -> list[str]:
        """The text of the prim and all below it."""
        apis = ", ".join(f'"{api}"' for api in self.apis)
        head = f'{indent}def {self.kind} "{self.name}"'
        found = [head + (f" (prepend apiSchemas = [{apis}])" if apis else ""), indent + "{"]
        inner = indent + "    "
        found += [inner + text for text in self.properties]
        for child in self.children:
            found += child.lines(inner)
        return [*found, indent + "}"]


def stage(root: Prim) -> str:
    """The text of a stage in metres and kilograms, z up, whose only root prim is `root`."""
    head = [
        *("#usda 1.0", "("),
        f'    defaultPrim = "{root.name}"',
        *("    kilogramsPerUnit = 1", "    metersPerUnit = 1", '    upAxis = "Z"', ")", ""),
    ]
    return "\n".join([*head, *root.lines()]) + "\n"


def identifier(name: str) -> str:
    """`name` as USD takes it: letters, digits and `_`; any other character by its number."""
    text = "".join(c if c == "_" or (c.isascii() and c.isalnum()) else f"_{ord(c)}_" for c in name)
    return f"_{text}" if not text or text[0].isdigit() else text


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))})"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, int | np.integer):
        return str(int(value))
    return f"{float(value) + 0.0:.9g}"  # and no minus before zero
