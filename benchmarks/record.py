"""One row a measurement: what was measured, on what, at which commit."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from screwpush_jax.loggers import provenance
from screwpush_jax.loggers.provenance import hardware, versions


def spread(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Median, tenth and ninetieth percentile of repeated measurements."""
    low, middle, high = np.percentile(np.asarray(values, float), [10, 50, 90])
    return {"median": float(middle), "p10": float(low), "p90": float(high)}


def write(path: Path, rows: Sequence[dict[str, Any]], on: str = "") -> None:
    """Appends `rows`, each with where and when it was taken, as JSON lines.

    `on` is the hardware, where other processes used it: to ask for it would take a part of each GPU.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    where = {"commit": commit(), "hardware": on or hardware(), "versions": versions()}
    with path.open("a") as file:
        for row in rows:
            file.write(json.dumps(row | where) + "\n")
            print(json.dumps(row), flush=True)


def commit() -> str:
    """The checked-out commit, with a mark if files differ from it; "unknown" where git knows of none."""
    return provenance.commit() or "unknown"  # it was measured all the same


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]
