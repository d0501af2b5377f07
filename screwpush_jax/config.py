"""Every knob of a run: frozen dataclasses, filled from YAML and flags by one parser (tyro).

A YAML file is turned into flags and goes through the same parser as the command line, so a key is
a flag without its dashes, and an error reads the same wherever it was made.
"""

import contextlib
import dataclasses
import difflib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import tyro
import yaml

from screwpush_jax.errors import UsageError
from screwpush_jax.ppo.types import PPOConfig
from screwpush_jax.tasks.separate.config import SeparateConfig
from sim.options import EngineName, IsaacGymConfig, MujocoConfig, MujocoWarpConfig
from sim.scene import SceneConfig

Device = Literal["auto", "cpu", "gpu"]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class LogConfig:
    """Where metrics go beside the run's own JSONL and TensorBoard files."""

    wandb: bool = False
    """Also log to Weights & Biases (extra `wandb`)."""
    swanlab: bool = False
    """Also log to SwanLab (extra `swanlab`)."""
    project: str = "screwpush"
    """Project name there."""


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """The examination of a policy on episodes it has not seen."""

    episodes: int = 1024
    """Episodes, each from its own start state."""
    seed: int = 1_000_000
    """Seed of the start states and of the baselines' randomness; not training's."""
    baselines: bool = True
    """Also run the random and the scripted policy on the same start states."""


@dataclasses.dataclass(frozen=True)
class Config:
    """A run, resolved. Saved with it as `config.yaml`."""

    task: Literal["separate"] = "separate"
    """The task to learn."""
    sim: Literal["auto", EngineName] = "auto"
    """Physics engine; auto picks one and says why."""
    device: Device = "auto"
    """Where JAX computes; auto is a GPU if JAX sees one."""
    fast_compile: bool = False
    """Compile fast instead of running fast, for short tests."""
    compile_cache: str = "~/.cache/screwpush_jax"
    """Folder of compiled functions, for the next start; empty for none (JAX's own variable
    JAX_COMPILATION_CACHE_DIR goes first)."""
    num_envs: int = 4096
    """N: scenes stepped in parallel."""
    seed: int = 0
    """Seed of everything random in training."""
    total_env_steps: int = 50_000_000
    """Control steps, summed over environments, after which training ends."""
    max_minutes: float = 0.0
    """Training also ends after this many minutes of wall time; 0 sets no limit."""
    name: str = ""
    """Name of the run, unique among the task's runs; without one only the time names it."""
    runs_dir: str = "runs"
    """Folder of all runs."""
    checkpoint_every: int = 20
    """Iterations between two checkpoints."""
    keep_checkpoints: int = 3
    """Newest checkpoints kept, beside the best one."""
    scene: SceneConfig = SceneConfig()
    """The physical scene."""
    separate: SeparateConfig = SeparateConfig()
    """The task `separate`."""
    ppo: PPOConfig = PPOConfig()
    """The learner."""
    mujoco_warp: MujocoWarpConfig = MujocoWarpConfig()
    """Options of the engine `mujoco_warp`."""
    mujoco: MujocoConfig = MujocoConfig()
    """Options of the engine `mujoco`."""
    isaacgym: IsaacGymConfig = IsaacGymConfig()
    """Options of the engine `isaacgym`."""
    eval: EvalConfig = EvalConfig()
    """Evaluation after training and by the evaluate command."""
    log: LogConfig = LogConfig()
    """Extra loggers."""

    @property
    def batch_size(self) -> int:
        """Samples in one update."""
        return self.num_envs * self.ppo.num_steps

    @property
    def num_iterations(self) -> int:
        """Updates in the whole run."""
        return max(1, -(-self.total_env_steps // self.batch_size))


def parse(kind: type[T], args: Sequence[str], default: T, prog: str, description: str) -> T:
    """`default` with the flags `args` on top.

    Raises:
      UsageError: in one line, what is wrong and what is valid.
      SystemExit: with code 0, after printing the help that was asked for.
    """
    if {"-h", "--help"} & set(args):
        tyro.cli(kind, args=["--help"], default=default, prog=prog, description=description)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            config, unknown = tyro.cli(
                kind, args=list(args), default=default, prog=prog, return_unknown_args=True
            )
    except SystemExit:
        raise UsageError(_one_line(said.getvalue())) from None
    if unknown:
        raise UsageError(f"unknown: {' '.join(unknown)}; {_nearest(unknown[0], default)}")
    return config


def load_yaml(path: Path, kind: type[T], default: T) -> T:
    """`default` with the keys of the YAML file on top.

    Raises:
      UsageError: no such file, no mapping, an unknown key or a value of the wrong type.
    """
    if not path.is_file():
        near = ", ".join(sorted(str(p) for p in path.parent.glob("*.yaml"))) or "none there"
        raise UsageError(f"--config {path}: no such file; configurations there: {near}")
    try:
        tree = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise UsageError(f"{path}: the top level must be a mapping of fields")
    try:
        return from_tree(tree, kind, default)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def from_tree(tree: dict[str, Any], kind: type[T], default: T) -> T:
    """`default` with the nested mapping `tree` on top; errors as `parse`."""
    return parse(kind, list(_as_flags(tree, default, "")), default, "config", "")


def to_tree(config: Any) -> dict[str, Any]:
    """Plain nested mapping of a configuration, for YAML and JSON."""
    return _plain(dataclasses.asdict(config))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _as_flags(tree: dict[str, Any], default: Any, prefix: str) -> Iterator[str]:
    """The flags that say the same as the mapping."""
    for key, value in tree.items():
        path = f"{prefix}{key}"
        known = getattr(default, str(key), None)
        if isinstance(value, dict):
            if not dataclasses.is_dataclass(known):
                raise UsageError(f"unknown section {path!r}; {_valid_keys(default)}")
            yield from _as_flags(value, known, f"{path}.")
        elif not hasattr(default, str(key)):
            raise UsageError(f"unknown key {path!r}; {_valid_keys(default)}")
        elif dataclasses.is_dataclass(known):
            raise UsageError(f"{path!r} is a section and takes a mapping; {_valid_keys(known)}")
        elif isinstance(known, bool) and isinstance(value, bool):
            yield f"--{path}" if value else f"--{prefix}no-{key}"
        else:
            yield f"--{path}"
            yield from map(str, value if isinstance(value, list) else [value])


def _nearest(flag: str, default: Any) -> str:
    """The flags that look most like `flag`, whole or in their last part."""
    flags = {name.replace("_", "-"): "" for name in _flags(default, "")}
    wanted = flag.lstrip("-").replace("_", "-").split("=")[0]
    last = {name.rsplit(".", 1)[-1]: name for name in flags}
    near = difflib.get_close_matches(wanted, flags, n=3, cutoff=0.5)
    near += [last[name] for name in difflib.get_close_matches(wanted, last, n=3, cutoff=0.5)]
    choices = dict.fromkeys(near or [name for name in flags if "." not in name])
    return "valid flags like it: " + ", ".join(f"--{name}" for name in choices)


def _flags(section: Any, prefix: str) -> Iterator[str]:
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from _flags(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def _valid_keys(section: Any) -> str:
    return "valid: " + ", ".join(field.name for field in dataclasses.fields(section))


def _one_line(message: str) -> str:
    """What tyro printed in a box, as one sentence."""
    lines = [line.strip() for line in message.splitlines()]
    lines = [line for line in lines if line and set(line) != {"-"}][1:]
    lines = [line for line in lines if not line.startswith("For full helptext")]
    return "; ".join(lines).replace(":;", ":").replace("Argument helptext:", "valid:")
