"""Files that no reader finds half-written, and JSON that every reader takes."""

import json
import math
import os
from pathlib import Path
from typing import Any


def write_atomically(path: Path, data: str | bytes) -> None:
    """Writes the whole file or leaves what was there.

    Raises:
      OSError: it cannot be written, and names it; an older file of that name is as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)
        raise


def to_json(tree: Any, indent: int | None = None) -> str:
    """Standard JSON: numbers that it cannot say (NaN, infinities) become null."""
    return json.dumps(json_safe(tree), allow_nan=False, indent=indent)


def json_safe(tree: Any) -> Any:
    """The nested dicts and lists with None for each float that is not finite."""
    if isinstance(tree, dict):
        return {key: json_safe(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [json_safe(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
