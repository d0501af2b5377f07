"""What benchmarks take: flags, a training's YAML file, names out of their tables."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from screwpush_jax.bounds import check_section, flag, shown
from screwpush_jax.config import Config, config_type_of, load_yaml
from screwpush_jax.errors import UsageError
from screwpush_jax.yaml_file import load_tree

Args = TypeVar("Args")


def parse(kind: type[Args], argv: Sequence[str], description: str | None = None) -> Args:
    """A benchmark's arguments from a command line.

    Raises:
      UsageError: a number outside its field's bounds; one that names none is greater than 0, or 0 or
        more where its default is 0.
    """
    args = tyro.cli(kind, args=list(argv), description=description)
    check_section(args)
    for field in dataclasses.fields(args):  # pyright: ignore[reportArgumentType]
        least = min(_numbers(field.default), default=1)
        too_small = [n for n in _numbers(getattr(args, field.name)) if n < 0 or n == 0 < least]
        if too_small:
            valid = "greater than 0" if least > 0 else "0 or more"
            value = getattr(args, field.name)
            raise UsageError(f"--{flag(field.name)} {shown(value)}; valid: {valid}")
    return args


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, tuple) else (value,)
    return [n for n in values if isinstance(n, int | float) and not isinstance(n, bool)]


def read_config(path: str | Path, **chosen: Any) -> Config:
    """The file's configuration, of its own task and algorithm unless `chosen` names others."""
    kind = config_type_of(load_tree(Path(path)) | chosen)
    return load_yaml(Path(path), kind, kind())


def minibatches_for(config: Config, num_envs: int) -> int:
    """So many that each is as large as with the configuration's own environments; one at least."""
    return max(1, config.algorithm_options.num_minibatches * num_envs // config.num_envs)


def check_names(flag: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Raises UsageError for a name that is not in the table."""
    table = list(known)
    if unknown := [name for name in names if name not in table]:
        raise UsageError(f"{flag} {unknown[0]}; valid: {', '.join(table)}")
