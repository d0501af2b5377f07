"""From a configuration to the things that a run is made of. Nothing here touches the disk."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from screwpush_jax import compiled, dist, disturbances
from screwpush_jax.algorithms import registry as algorithms
from screwpush_jax.algorithms.algorithm import Algorithm, Learner
from screwpush_jax.bounds import flag
from screwpush_jax.config import Config
from screwpush_jax.env import Env
from screwpush_jax.errors import UsageError
from screwpush_jax.field_kinds import listed
from screwpush_jax.restart import for_training
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.tasks.task import Starts, Task
from screwpush_jax.transition import Carry, init_carry
from screwpush_sim import registry
from screwpush_sim.errors import VariationNotSupportedError
from screwpush_sim.physics import Name
from screwpush_sim.protocol import Simulator
from screwpush_sim.scene import Scene
from screwpush_sim.variation import Params, Variation


class World(NamedTuple):
    """A simulator, and the static parts that jitted functions close over."""

    sim: Simulator
    env: Env
    algorithm: Algorithm
    others: "tuple[World, ...]" = ()
    """Those of the other stages, where training has several."""

    @property
    def task(self) -> Task:
        return self.env.task

    def close(self) -> None:
        """Closes all simulators."""
        with contextlib.ExitStack() as stack:
            for world in (self, *self.others):
                stack.callback(world.sim.close)


def make_world(
    config: Config,
    num_envs: int,
    physics: Name,
    params: Params | None = None,
    *,
    change: Callable[[Scene], Scene] = lambda scene: scene,
) -> World:
    """Builds the simulator with `num_envs` scenes, stepped by the physics of that name, and the task.

    The scenes differ by the factors `params`, those of `draw_params` or none. `change` may give it
    another scene than the task's, with the same joints, controls and bodies.

    Raises:
      UsageError: the task's score is none of its metrics.
    """
    engine = registry.choose(config.sim)[0]
    options = getattr(config, engine)
    task = tasks.find(config.task)(config.env)
    if task.score not in task.metrics:
        raise UsageError(
            f"--task {task.name}: its score is {task.score!r}; valid: one of its metrics,"
            f" {', '.join(task.metrics)}"
        )
    sim = registry.make_simulator(engine, change(task.scene(physics)), num_envs, options, params)
    algorithm = algorithms.find(config.algorithm).make(
        *(config.algorithm_options, task.horizon, obs_sizes(config)),
        *(task.action_size, disturbances.obs_sets(task)),
    )
    names = variation_of(config).varied
    factors = _factors(sim, names) if disturbances.shows_truth(task) else None
    restart = for_training(algorithm.group_size)
    return World(sim, Env(task, sim.unpack, sim.pack, restart, factors), algorithm)


def obs_sizes(config: Config) -> Mapping[str, int]:
    """O of each observation that learners are given, by name."""
    task = tasks.find(config.task)(config.env)
    return disturbances.obs_sizes(task, len(variation_of(config).varied))


def _factors(sim: Simulator, names: Sequence[str]) -> jax.Array | None:
    """By how much each scene differs, `[N, P]` in the order of `names`; None without any."""
    alone = jnp.ones(sim.spec.num_envs)
    factors = [sim.params.get(name, alone) for name in names]
    return jnp.stack(factors, axis=-1) if factors else None


def draw_params(config: Config, num_envs: int, seed: int) -> Params:
    """The factors by which scenes differ as the task's options say.

    Raises:
      UsageError: as `check_variation`.
    """
    check_variation(config, num_envs)
    return variation_of(config).draw(num_envs, seed)


def variation_of(config: Config) -> Variation:
    """How the task's options let scenes differ; a task without the option lets none."""
    return getattr(config.env, "variation", Variation())


def check_variation(config: Config, num_envs: int, whose: str = "") -> None:
    """Raises UsageError if the engine cannot vary what the task's options say, or scenes or start states
    are fewer than the sizes of their bodies; builds nothing. `whose` says to what the scenes belong."""
    engine, scene = registry.choose(config.sim)[0], tasks.find(config.task)(config.env).scene()
    try:
        registry.check_variation(engine, scene, variation_of(config).varied)
    except VariationNotSupportedError as error:
        raise UsageError(f"--env.variation.{flag(error.name)}: {error}") from None
    classes = variation_of(config).start_classes
    least = min(num_envs, tasks.find(config.task)(config.env).num_starts)
    if classes > least:
        raise UsageError(
            f"--env.variation.body-sizes {classes}; valid: at most {least}, as many as there are scenes"
            f"{whose} and start states"
        )


def find_starts(config: Config, watch: Callable[[dict[str, float]], None] | None = None) -> Starts:
    """Start states of training, of this process's own, settled by the physics `eval` in a simulator of their own.

    `watch` sees the simulator's report at the end.

    Raises:
      StartsError: hardly any state is one.
      SimError: the physics failed.
    """
    size = tasks.find(config.task)(config.env).num_starts
    num_envs = min(config.num_envs, size)
    sizes = variation_of(config).draw_sizes(num_envs)  # all else is nominal
    world = make_world(config, num_envs, "eval", sizes)
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
    config: Config, world: World, starts: Starts, key: jax.Array, stage: int = 0
) -> tuple[Learner, Carry]:
    """What a fresh run begins with: an untrained learner, and a stage's environments that wait to start.

    The learner is the same in each process and stage, what happens in the environments is not.
    """
    learner_key, carry_key = jax.random.split(key)
    carry_key = dist.own_key(carry_key, stage)
    learner = world.algorithm.init(learner_key)
    return learner, init_carry(world.task, world.algorithm, starts, config.stage_envs, carry_key)


def differences(config: Config, other: Config) -> list[str]:
    """Fields that a policy is bound to and in which `config` differs from a checkpoint's."""
    new, old = (listed(one, "POLICY_FIELDS") | _shown_factors(one) for one in (config, other))
    return [
        f"{name} {new.get(name)!r} (checkpoint: {value!r})"
        for name, value in old.items()
        if name in new and new[name] != value
    ]


def _shown_factors(config: Config) -> dict[str, tuple[str, ...]]:
    """What its critic is shown of each scene's physics, if it is shown any of it."""
    task = tasks.find(config.task)(config.env)
    told = disturbances.shows_truth(task) and algorithms.find(config.algorithm).has_critic
    return {"what env.variation varies": variation_of(config).varied} if told else {}
