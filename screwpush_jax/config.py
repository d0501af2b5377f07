"""Every knob of a run: frozen dataclasses, filled from YAML (`config_file`) and flags (`flags`).

`Config` has what every run has. The options of a task and of the engines are known to the registries
alone: `config_type(task)` is `Config` with a section `env` of the task's own type, one section for each
engine by its name, and one for the learning algorithm by its.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from annotated_types import Ge, Gt, Interval, MinLen

from screwpush_jax import relations
from screwpush_jax.algorithms import registry as algorithms
from screwpush_jax.bounds import as_flag, check_section
from screwpush_jax.config_file import FLAG_ONLY, from_tree, load_yaml, to_tree
from screwpush_jax.config_sections import EvalConfig, LogConfig, Seed, Sink, VideoConfig
from screwpush_jax.errors import UsageError
from screwpush_jax.flags import parse
from screwpush_jax.paths import check_name, check_paths, check_run_path, check_runs_dir, expand
from screwpush_jax.placement import PlacementConfig
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.yaml_file import load_tree
from screwpush_sim import registry as engines
from screwpush_sim.options import PATH

__all__ = [
    "FLAG_ONLY",
    "Config",
    "EvalConfig",
    "LogConfig",
    "Sink",
    "VideoConfig",
    "check_run_path",
    "check_runs_dir",
    "config_type",
    "expand",
    "from_tree",
    "load_tree",
    "load_yaml",
    "parse",
    "to_tree",
]

T = TypeVar("T", bound="Config")
Device = Literal["auto", "cpu", "gpu"]


@dataclasses.dataclass(frozen=True)
class Config:
    """A run, resolved. Saved with it as `config.yaml`."""

    task: str = tasks.DEFAULT
    """The task to learn."""
    algorithm: str = algorithms.DEFAULT
    """How it is learned."""
    sim: str = "auto"
    """Physics engine; auto picks one and says why."""
    device: Device = "auto"
    """Where JAX computes; auto is a GPU if JAX sees one."""
    fast_compile: bool = False
    """Compile fast instead of running fast, for short tests."""
    compile_cache: Annotated[str, PATH] = "~/.cache/screwpush_jax"
    """Folder of compiled functions, for the next start; empty for none (JAX's own variable
    JAX_COMPILATION_CACHE_DIR goes first)."""
    num_gpus: Annotated[int, Gt(0)] = 1
    """GPUs that train together, a process for each; with --device cpu so many processes on the CPU.
    More than one are started here, unless SLURM, Open MPI or the like has."""
    num_envs: Annotated[int, Gt(0)] = 4096
    """N: scenes stepped in parallel, by each process."""
    pipeline_stages: Annotated[int, Interval(ge=1, le=8)] = 1
    """Groups of num_envs / pipeline_stages scenes, each in a simulator of its own: while the physics of
    one runs, the policy of another does. 1 for all scenes in one."""
    seed: Seed = 0
    """Seed of everything random in training."""
    total_env_steps: Annotated[int, Interval(gt=0, le=2**63 - 1)] = 50_000_000
    """Control steps, summed over environments, after which training ends."""
    max_minutes: Annotated[float, Ge(0)] = 0.0
    """Training also ends after this many minutes of wall time; 0 sets no limit."""
    stop_at_success: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Training also ends when it is good: when the lower end of the 95 % interval of the success rate
    over the newest 1,000 episodes or more (of training, so with the policy's noise and in its physics)
    reaches this share; 0 for never."""
    name: str = ""
    """Name of the run, unique among the task's runs; without one only the time names it."""
    runs_dir: Annotated[str, MinLen(1), PATH] = "runs"
    """Folder of all runs."""
    checkpoint_every: Annotated[int, Gt(0)] = 20
    """Iterations between two checkpoints."""
    keep_checkpoints: Annotated[int, Gt(0)] = 3
    """Newest checkpoints kept, beside the best one."""
    env: Any = None
    """Options of the task."""
    eval: EvalConfig = EvalConfig()
    """Evaluation after training and by the evaluate command."""
    log: LogConfig = LogConfig()
    """Loggers."""
    video: VideoConfig = VideoConfig()
    """Videos along the way."""
    placement: PlacementConfig = PlacementConfig()
    """Simulator and learner on different GPUs."""

    FIXED_FIELDS: ClassVar[tuple[str, ...]] = ("seed", "num_envs")
    POLICY_FIELDS: ClassVar[tuple[str, ...]] = ("task", "algorithm")
    MACHINE_FIELDS: ClassVar[tuple[str, ...]] = ("device", "num_gpus", "log", "video", "placement")

    def __post_init__(self) -> None:
        if self.env is None:
            raise TypeError("without a task there are no options: config_type(task)() has them")

    @property
    def algorithm_options(self) -> Any:
        """The section of the algorithm: `algorithms.registry.Options`, and its own fields."""
        return getattr(self, self.algorithm)

    @property
    def num_steps(self) -> int:
        """T: control steps of an update's rollout."""
        return self.algorithm_options.rollout_steps(tasks.find(self.task)(self.env).horizon)

    @property
    def stage_envs(self) -> int:
        """n: scenes of one simulator."""
        return self.num_envs // self.pipeline_stages

    @property
    def all_envs(self) -> int:
        """Scenes stepped in parallel, by all processes together."""
        return self.num_envs * self.num_gpus

    @property
    def batch_size(self) -> int:
        """Samples in one update, of all processes."""
        return self.all_envs * self.num_steps

    @property
    def num_iterations(self) -> int:
        """Updates in the whole run."""
        return max(1, -(-self.total_env_steps // self.batch_size))

    @property
    def runs_path(self) -> Path:
        """Folder of all runs, a leading `~` resolved. Raises UsageError if that is not possible."""
        return expand(self.runs_dir, "runs-dir")

    def compile_cache_dir(self, say: Callable[[str], None] = print) -> Path | None:
        """Folder of compiled functions, a leading `~` resolved; None for none.

        Where no home folder is known there is none, which is told if it was asked for by name.
        """
        try:
            return expand(self.compile_cache, "compile-cache") if self.compile_cache else None
        except UsageError as error:
            if self.compile_cache != Config.compile_cache:
                say(f"no cache of compiled functions: {error}")
            return None

    def check(self) -> None:
        """Rejects what cannot run, before anything is built or written.

        Raises:
          UsageError: the flag, its value, and what is valid.
        """
        check_section(self)
        try:
            check_name(self.name)
            relations.check(self)
        except ValueError as error:
            raise as_flag(error) from None
        check_paths(dataclasses.replace(self, compile_cache=""))  # without that one it runs, too


def config_type(
    task: str = tasks.DEFAULT, kind: type[T] = Config, algorithm: str = algorithms.DEFAULT
) -> type[T]:
    """`kind` with the sections of the task, the algorithm and every engine; all fields have defaults.

    Raises:
      UsageError: no such task or algorithm.
    """
    sections = (tasks.find(task).options, algorithms.find(algorithm).options)
    known = (tuple(tasks.TASKS), tuple(algorithms.ALGORITHMS), tuple(engines.ENGINES.items()))
    return _config_type(task, algorithm, kind, sections, *known)


def config_type_of(tree: Mapping[str, Any], kind: type[T] = Config) -> type[T]:
    """`config_type` of the task and the algorithm that a file names. Raises UsageError as it does."""
    return config_type(
        text_of(tree, "task") or tasks.DEFAULT,
        kind,
        text_of(tree, "algorithm") or algorithms.DEFAULT,
    )


def text_of(tree: Mapping[str, Any], key: str) -> str:
    """A text at a file's top level; what is none of it is told when the whole file is read."""
    value = tree.get(key)
    return value if isinstance(value, str) else ""


@functools.cache  # so that equal configurations are of one type, and compare as equal
def _config_type(
    task: str,
    algorithm: str,
    kind: type[T],
    sections: tuple[type, type],
    known_tasks: tuple[str, ...],
    known_algorithms: tuple[str, ...],
    known_engines: tuple[tuple[str, engines.EngineDef], ...],
) -> type[T]:
    of_task, of_algorithm = sections
    fields: list[tuple[str, Any, Any]] = [
        ("task", Literal[known_tasks], task),
        ("algorithm", Literal[known_algorithms], algorithm),
        ("sim", Literal[("auto", *(name for name, _ in known_engines))], "auto"),
        ("env", of_task, of_task()),
        (algorithm, of_algorithm, of_algorithm()),
        *((name, engine.options, engine.options()) for name, engine in known_engines),
    ]
    return dataclasses.make_dataclass(kind.__name__, fields, bases=(kind,), frozen=True)
