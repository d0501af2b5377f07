"""From a configuration to the things that a run is made of. Nothing here touches the disk."""

from typing import NamedTuple

import jax

from screwpush_jax import compiled
from screwpush_jax.config import Config
from screwpush_jax.errors import UsageError
from screwpush_jax.ppo.networks import make_network
from screwpush_jax.ppo.types import Learner
from screwpush_jax.ppo.update import init_learner
from screwpush_jax.tasks.registry import TASKS
from screwpush_jax.tasks.task import Bank, Task
from screwpush_jax.transition import Carry, Interface, init_carry
from sim import registry
from sim.protocol import Simulator


class World(NamedTuple):
    """A simulator, the task in it, and the static parts that jitted functions close over."""

    sim: Simulator
    task: Task
    parts: Interface


def check(config: Config) -> None:
    """Rejects what cannot run, before anything is built or written.

    Raises:
      UsageError: the field, its value, and what is valid.
    """
    _check_positive(config)
    ppo, batch = config.ppo, config.batch_size
    if batch % ppo.num_minibatches:
        good = [n for n in range(1, min(batch, 128) + 1) if batch % n == 0]
        raise UsageError(
            f"--ppo.num-minibatches {ppo.num_minibatches} does not divide num_envs * num_steps ="
            f" {batch}; valid: {', '.join(map(str, good))}"
        )
    if not 2 <= config.scene.num_screws <= 8:
        raise UsageError(f"--scene.num-screws {config.scene.num_screws}; valid: 2 to 8")
    if config.separate.observation == "prototype19" and config.scene.num_screws != 3:
        raise UsageError("--separate.observation prototype19 needs --scene.num-screws 3")
    if not config.separate.active_axes or len(set(config.separate.active_axes)) != len(
        config.separate.active_axes
    ):
        raise UsageError("--separate.active-axes takes one or more different axes")
    for name in ("gamma", "gae_lambda"):
        if not 0.0 <= getattr(ppo, name) <= 1.0:
            raise UsageError(f"--ppo.{name.replace('_', '-')} {getattr(ppo, name)}; valid: 0 to 1")


def _check_positive(config: Config) -> None:
    fields = {
        "": ("num_envs", "total_env_steps", "checkpoint_every", "keep_checkpoints"),
        "ppo": ("num_steps", "num_epochs", "num_minibatches", "learning_rate"),
        "scene": ("physics_dt_s", "decimation"),
        "mujoco_warp": ("contacts_per_scene", "constraints_per_scene", "solver_iterations"),
        "mujoco": ("solver_iterations",),
        "separate": ("horizon", "hold_steps", "bank_size", "separation_m", "position_step_m"),
        "eval": ("episodes",),
    }
    for section, names in fields.items():
        owner = getattr(config, section) if section else config
        for name in names:
            if not getattr(owner, name) > 0:
                flag = f"{section}.{name}".lstrip(".").replace("_", "-")
                raise UsageError(f"--{flag} {getattr(owner, name)}; valid: greater than 0")


def make_world(config: Config, num_envs: int) -> World:
    """Builds the simulator with `num_envs` scenes, and the task."""
    engine = registry.choose(config.sim)[0]
    options = getattr(config, engine)
    sim = registry.make_simulator(engine, config.scene, num_envs, options)
    task = compiled.share(TASKS[config.task](getattr(config, config.task), sim.spec))
    network = make_network(config.ppo, task.action_size)
    return World(sim, task, Interface(task, network, sim.unpack, sim.pack))


def init_arrays(config: Config, task: Task, bank: Bank, key: jax.Array) -> tuple[Learner, Carry]:
    """What a fresh run begins with: an untrained learner, and environments that wait to start."""
    learner_key, carry_key = jax.random.split(key)
    learner = init_learner(config.ppo, task.obs_size, task.action_size, learner_key)
    return learner, init_carry(task, bank, config.num_envs, config.ppo.num_steps, carry_key)


def differences(config: Config, other: Config) -> list[str]:
    """Fields that a policy is bound to and in which `config` differs from a checkpoint's."""
    pairs = {
        "task": (config.task, other.task),
        "scene.num_screws": (config.scene.num_screws, other.scene.num_screws),
        "separate.observation": (config.separate.observation, other.separate.observation),
        "separate.active_axes": (config.separate.active_axes, other.separate.active_axes),
        "ppo.hidden_sizes": (config.ppo.hidden_sizes, other.ppo.hidden_sizes),
    }
    return [
        f"{name} {new!r} (checkpoint: {old!r})" for name, (new, old) in pairs.items() if new != old
    ]
