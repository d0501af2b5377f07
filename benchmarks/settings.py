"""What benchmarks take: flags, a training's YAML file, names out of their tables."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro
from annotated_types import Ge, Gt

from screwpush_jax.bounds import check_section
from screwpush_jax.config import Config, config_type_of, load_yaml
from screwpush_jax.errors import UsageError
from screwpush_jax.yaml_file import load_tree

Args = TypeVar("Args")
PositiveInt = Annotated[int, Gt(0)]
FromZeroInt = Annotated[int, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
FromZeroFloat = Annotated[float, Ge(0)]


def parse(kind: type[Args], argv: Sequence[str], description: str | None = None) -> Args:
    """A benchmark's arguments from a command line.

    Raises:
      UsageError: a value outside the bounds that its field declares.
    """
    args = tyro.cli(kind, args=list(argv), description=description)
    check_section(args)
    return args


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
