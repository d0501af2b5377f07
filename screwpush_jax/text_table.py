"""A table in plain text, for a terminal or a pipe."""

from collections.abc import Iterable, Sequence


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, no line wrapped; what cannot be printed is a `?`."""
    cells = [[_printable(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
    return "\n".join(lines)


def _printable(text: str) -> str:
    """A folder's name may hold line breaks and bytes that are no text."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
