"""What has another name than in earlier versions, in files that were written by them."""

from typing import Any

SECTIONS = {"separate": "env", "scene": "env.scene"}
"""Sections of a configuration up to version 0.2.0, and where their fields are today."""
_DROPPED = {"mujoco_warp": ("max_overflows",)}
"""An allowance that had another unit takes its default."""


def modern_config(tree: dict[str, Any]) -> dict[str, Any]:
    """The nested mapping of a run's configuration, whatever version wrote it, in today's names."""
    tree = {
        name: {k: v for k, v in value.items() if k not in _DROPPED.get(name, ())}
        if isinstance(value, dict)
        else value
        for name, value in tree.items()
    }
    for old, new in SECTIONS.items():
        if old in tree:
            section = tree.setdefault("env", {})
            *_, inner = new.split(".")
            section.update(tree.pop(old) if new == "env" else {inner: tree.pop(old)})
    return tree


def hint(section: str) -> str:
    """Where an unknown section's fields are today; empty if it never was one."""
    return f" (its fields are in {SECTIONS[section]} since 0.3.0)" if section in SECTIONS else ""
