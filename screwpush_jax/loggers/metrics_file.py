"""The run's own file, one JSON object a line; the one that everything is read back from."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from screwpush_jax.files import to_json
from screwpush_jax.run_folder import METRICS_FILE
from screwpush_jax.side_products import say

Row = dict[str, Any]


class JsonLines:
    """Writes it. What a killed writer left at its end is mended first."""

    def __init__(self, path: Path):
        _mend_end(path)
        self._file = path.open("ab")

    def write(self, iteration: int, env_steps: int, metrics: dict[str, float]) -> None:
        row = {"iteration": iteration, "env_steps": env_steps, **metrics}
        self._file.write(to_json(row).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Tail:
    """Reads along while another process writes."""

    def __init__(self, run_dir: Path):
        self._path, self._read = run_dir / METRICS_FILE, 0

    def new_rows(self) -> list[Row]:
        """The rows of the lines that were ended since the last call, as `read_metrics` gives them.

        Raises:
          OSError: the file is there and cannot be read.
        """
        if not self._path.is_file():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        ended = text.rfind(b"\n") + 1
        self._read += ended
        return _rows(text[:ended].splitlines())[0]


def read_metrics(run_dir: Path) -> list[Row]:
    """The rows of a run's JSONL file by rising iteration; a value that is no number is left out.

    A row takes the place of all earlier ones from its iteration on: a run that was killed goes on
    from its last checkpoint, and what came after that is done again. How many lines cannot be read
    is said.

    Raises:
      OSError: there is no such file, or it cannot be read.
    """
    rows, damaged = _rows((run_dir / METRICS_FILE).read_bytes().splitlines())
    if damaged:
        say(f"{run_dir / METRICS_FILE}: {damaged} damaged line(s) left out")
    return rows


def _rows(lines: Iterable[bytes]) -> tuple[list[Row], int]:
    """The rows that are valid at last, and how many lines were damaged."""
    rows: list[Row] = []
    damaged = 0
    for line in lines:
        row = _parse(line)
        if row is None:
            damaged += bool(line.strip())
            continue
        while rows and rows[-1]["iteration"] >= row["iteration"]:
            rows.pop()
        rows.append(row)
    return rows, damaged


def _parse(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    row = {name: value for name, value in row.items() if _is_number(value)}
    return row if {"iteration", "env_steps"} <= row.keys() else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _mend_end(path: Path) -> None:
    """Ends the last line of a file whose writer was killed; a torn one is cut off."""
    if not path.is_file():
        return
    text = path.read_bytes()
    end = text.rfind(b"\n") + 1
    if end == len(text):
        return
    if _parse(text[end:]) is not None:
        with path.open("ab") as file:
            file.write(b"\n")
    else:
        with path.open("r+b") as file:
            file.truncate(end)
