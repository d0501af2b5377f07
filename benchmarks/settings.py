"""What benchmarks read from a training's YAML file."""

from pathlib import Path
from typing import Any

from screwpush_jax.config import Config, config_type_of, load_yaml
from screwpush_jax.yaml_file import load_tree


def read_config(path: str | Path, **chosen: Any) -> Config:
    """The file's configuration, of its own task and algorithm unless `chosen` names others."""
    kind = config_type_of(load_tree(Path(path)) | chosen)
    return load_yaml(Path(path), kind, kind())


def minibatches_for(config: Config, num_envs: int) -> int:
    """So many that each is as large as with the configuration's own environments; one at least."""
    return max(1, config.algorithm_options.num_minibatches * num_envs // config.num_envs)
