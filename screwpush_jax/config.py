"""Every knob of a run: frozen dataclasses, filled from YAML (`config_file`) and flags (`flags`)."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, MinLen

from screwpush_jax.bounds import LARGEST_INT, as_flag, check_section, flag
from screwpush_jax.config_file import FLAG_ONLY, from_tree, load_yaml, to_tree
from screwpush_jax.errors import UsageError
from screwpush_jax.flags import parse
from screwpush_jax.paths import check_name, check_run_path, check_runs_dir, expand
from screwpush_jax.ppo.types import PPOConfig
from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.yaml_file import load_tree
from sim.assets import elfin15
from sim.assets.arm_with_bolts import SceneConfig
from sim.options import EngineName, IsaacGymConfig, MujocoConfig, MujocoWarpConfig

__all__ = [
    "FLAG_ONLY",
    "Config",
    "EvalConfig",
    "LogConfig",
    "check_run_path",
    "check_runs_dir",
    "expand",
    "from_tree",
    "load_tree",
    "load_yaml",
    "parse",
    "to_tree",
]

Device = Literal["auto", "cpu", "gpu"]
Seed = Annotated[int, Interval(ge=0, le=2**32 - 1)]
"""What NumPy and JAX both take: JAX cuts larger ones to 32 bits, so that two would be one."""


@dataclasses.dataclass(frozen=True)
class LogConfig:
    """Where metrics go beside the run's own JSONL and TensorBoard files."""

    wandb: bool = False
    """Also log to Weights & Biases (extra `wandb`)."""
    swanlab: bool = False
    """Also log to SwanLab (extra `swanlab`)."""
    project: Annotated[str, MinLen(1)] = "screwpush"
    """Project name there."""


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """The examination of a policy on episodes it has not seen."""

    episodes: Annotated[int, Gt(0)] = 1024
    """Episodes, each from its own start state."""
    seed: Seed = 1_000_000
    """Seed of the start states and of the baselines' randomness; another than training's."""
    baselines: bool = True
    """Also run the random and the scripted policy on the same start states."""


@dataclasses.dataclass(frozen=True)
class Config:
    """A run, resolved. Saved with it as `config.yaml`."""

    task: Literal["separate", "goal"] = "separate"
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
    num_envs: Annotated[int, Gt(0)] = 4096
    """N: scenes stepped in parallel."""
    seed: Seed = 0
    """Seed of everything random in training."""
    total_env_steps: Annotated[int, Interval(gt=0, le=2**63 - 1)] = 50_000_000
    """Control steps, summed over environments, after which training ends."""
    max_minutes: Annotated[float, Ge(0)] = 0.0
    """Training also ends after this many minutes of wall time; 0 sets no limit."""
    name: str = ""
    """Name of the run, unique among the task's runs; without one only the time names it."""
    runs_dir: Annotated[str, MinLen(1)] = "runs"
    """Folder of all runs."""
    checkpoint_every: Annotated[int, Gt(0)] = 20
    """Iterations between two checkpoints."""
    keep_checkpoints: Annotated[int, Gt(0)] = 3
    """Newest checkpoints kept, beside the best one."""
    scene: SceneConfig = SceneConfig()
    """The physical scene."""
    separate: SeparateConfig = SeparateConfig()
    """The task `separate`."""
    goal: GoalConfig = GoalConfig()
    """The task `goal`."""
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
            self._check_sizes()
            self._check_seeds()
        except ValueError as error:
            raise as_flag(error) from None
        options = getattr(self, self.task)
        try:
            options.check_scene(
                self.scene.num_screws, self.scene.screw.shank_radius_m, self.scene.control_dt_s
            )
            options.check_reach(elfin15.arm_spec())
        except ValueError as error:
            raise as_flag(error, f"{self.task}.") from None
        for name, path in (
            ("runs_dir", self.runs_dir),
            ("isaacgym.python", self.isaacgym.python),
            *(("isaacgym.python_path", part) for part in self.isaacgym.python_path.split(":")),
        ):
            expand(path, flag(name))

    def _check_sizes(self) -> None:
        batch, minibatches = self.batch_size, self.ppo.num_minibatches
        if batch > LARGEST_INT:
            raise ValueError(
                f"num_envs {self.num_envs}; valid: at most {LARGEST_INT // self.ppo.num_steps}, as"
                f" num_envs * num_steps samples are numbered up to {LARGEST_INT}"
            )
        if batch % minibatches:
            good = [n for n in range(1, min(batch, 128) + 1) if batch % n == 0]
            raise ValueError(
                f"ppo.num_minibatches {minibatches} does not divide num_envs * num_steps ="
                f" {batch}; valid: {', '.join(map(str, good))}"
            )
        if self.num_iterations > LARGEST_INT:
            raise ValueError(
                f"total_env_steps {self.total_env_steps}; valid: at most {LARGEST_INT * batch},"
                f" as iterations of {batch} are counted up to {LARGEST_INT}"
            )

    def _check_seeds(self) -> None:
        if self.eval.seed == self.seed:
            raise ValueError(
                f"eval.seed {self.eval.seed}; valid: another than --seed, whose start states"
                " training sees"
            )
