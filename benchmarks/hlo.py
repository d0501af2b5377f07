"""What a compiled function exchanges between devices, out of its text (`compiled.as_text()`)."""

import collections
import math
import re
from typing import NamedTuple

_BITS = {"pred": 8, "s8": 8, "u8": 8, "bf16": 16, "f16": 16, "s16": 16, "u16": 16, "f64": 64}
_BITS |= {"s64": 64, "u64": 64, "c64": 64}  # all others: 32
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\) -> .*\{$")
_OPERATION = re.compile(
    r"= (?P<shape>\(.*?\)|\S+) "
    r"(?P<kind>all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(-start)?\("
)
_SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")
_CALLED = re.compile(
    r"\b(?:calls|to_apply|body|condition|branch_computations)=(?:\{([^}]*)\}|%?([\w.-]+))"
)
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class Collective(NamedTuple):
    """One operation of the text, and how often a call runs it."""

    kind: str
    """all-reduce and the like."""
    bytes: int
    """Of what it makes, on each device."""
    times: int


def collectives(text: str) -> list[Collective]:
    """All of a function's, those inside loops as often as the loops run.

    Raises:
      ValueError: a loop around one of them does not say how often it runs.
    """
    lines, entry = _computations(text)
    times: collections.Counter[str] = collections.Counter()
    _count(lines, entry, 1, times)
    found = [
        Collective(match["kind"], _bytes(match["shape"]), times[name])
        for name, body in lines.items()
        for line in body
        if times[name] and (match := _OPERATION.search(line))
    ]
    if any(one.times < 0 for one in found):
        raise ValueError("a loop around a collective operation does not say how often it runs")
    return found


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
    """The lines of each computation by its name, and the name of the one that is called."""
    lines: dict[str, list[str]] = {}
    entry = name = ""
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            name = match[2]
            entry, lines[name] = (name if match[1] else entry), []
        elif name:
            lines[name].append(line)
    return lines, entry


def _count(
    lines: dict[str, list[str]], name: str, factor: int, times: "collections.Counter[str]"
) -> None:
    """Adds to `times` how often each computation runs in `factor` calls of `name`; negative: unknown."""
    times[name] += factor
    for line in lines[name]:
        inner = factor
        if " while(" in line:
            trips = _TRIPS.search(line)
            inner *= int(trips[1]) if trips else -(2**62)
        for several, one in _CALLED.findall(line):
            for called in (several or one).replace("%", "").split(", "):
                if called in lines:
                    _count(lines, called, inner, times)


def _bytes(shape: str) -> int:
    return sum(
        math.prod(int(n) for n in sizes.split(",") if n) * _BITS.get(kind, 32) // 8
        for kind, sizes in _SHAPE.findall(shape)
    )
