"""From a configuration to the things that a run is made of. Nothing here touches the disk."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from screwpush_jax import compiled, dist
from screwpush_jax.algorithms.algorithm import Algorithm, Learner
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.config import Config
from screwpush_jax.env import Env
from screwpush_jax.field_kinds import listed
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.tasks.task import Starts, Task
from screwpush_jax.transition import Carry, init_carry
from screwpush_sim import registry
from screwpush_sim.physics import Name
from screwpush_sim.protocol import Simulator


class World(NamedTuple):
    """A simulator, and the static parts that jitted functions close over."""

    sim: Simulator
    env: Env
    algorithm: Algorithm

    @property
    def task(self) -> Task:
        return self.env.task


def make_world(config: Config, num_envs: int, physics: Name) -> World:
    """Builds the simulator with `num_envs` scenes, stepped by the physics of that name, and the task."""
    engine = registry.choose(config.sim)[0]
    options = getattr(config, engine)
    task = tasks.find(config.task)(config.env)
    sim = registry.make_simulator(engine, task.scene(physics), num_envs, options)
    algorithm = PPO(config.ppo, task.obs_sizes, task.action_size)
    return World(sim, Env(task, sim.unpack, sim.pack), algorithm)


def find_starts(config: Config, watch: Callable[[dict[str, float]], None] | None = None) -> Starts:
    """Start states of training, of this process's own, settled by the physics `eval` in a simulator of their own.

    `watch` sees the simulator's report at the end.

    Raises:
      StartsError: hardly any state is one.
      SimError: the physics failed.
    """
    size = tasks.find(config.task)(config.env).num_starts
    world = make_world(config, min(config.num_envs, size), "eval")
    try:
        seed = dist.own_seed(config.seed, config.eval.seed)
        starts = world.task.starts(world.sim, size, seed, compiled.jit)
        report = world.sim.report()()
        if watch is not None:
            watch(report)
        return starts
    finally:
        world.sim.close()


def init_arrays(
    config: Config, world: World, starts: Starts, key: jax.Array
) -> tuple[Learner, Carry]:
    """What a fresh run begins with: an untrained learner, and environments that wait to start.

    The learner is the same in each process, what happens in the environments is not.
    """
    learner_key, carry_key = jax.random.split(key)
    carry_key = dist.own_key(carry_key)
    learner = world.algorithm.init(learner_key)
    return learner, init_carry(world.task, world.algorithm, starts, config.num_envs, carry_key)


def differences(config: Config, other: Config) -> list[str]:
    """Fields that a policy is bound to and in which `config` differs from a checkpoint's."""
    new, old = (listed(one, "POLICY_FIELDS") for one in (config, other))
    return [
        f"{name} {new.get(name)!r} (checkpoint: {value!r})"
        for name, value in old.items()
        if new.get(name) != value
    ]
