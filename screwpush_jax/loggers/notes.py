"""What a service knows of a run already, noted in the run's folder."""

import contextlib
import json
import secrets
from pathlib import Path
from typing import Any

import yaml

from screwpush_jax.files import json_safe, to_json, write_atomically

NOTES = "loggers"
"""Folder for them in the run's."""


class Notes:
    """The run's name at one service, and what it has got. A run under another name, a copy, is new."""

    def __init__(self, run_dir: Path, service: str):
        self._path, self._run = run_dir / NOTES / f"{service}.json", run_dir.name
        tree = read_mapping(self._path)
        known = tree if tree.get("run") == self._run else {}
        self.run_id: str = known.get("id") or secrets.token_hex(8)
        self.env_steps: int = known.get("env_steps", -1)
        """Of the newest point."""
        self.files: dict[str, list[int]] = known.get("files", {})
        """Size and time (ns) of each file when it was sent, by its path in the run's folder."""

    def write(self) -> None:
        tree = {"run": self._run, "id": self.run_id, "env_steps": self.env_steps}
        write_atomically(self._path, to_json(tree | {"files": self.files}, indent=1))


def read_mapping(path: Path) -> dict[str, Any]:
    """A mapping in YAML or JSON, empty where there is none; without values that JSON cannot say."""
    with contextlib.suppress(OSError, ValueError, yaml.YAMLError):
        text = path.read_text()
        tree = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        return json_safe(tree) if isinstance(tree, dict) else {}
    return {}
