"""What an evaluation finds, and that the whole run compiles each function once."""

import jax
import pytest

from screwpush_jax import compiled, evaluation
from screwpush_jax.build import World, make_world
from screwpush_jax.config import Config, from_tree
from screwpush_jax.ppo.update import init_learner
from screwpush_jax.transition import init_carry
from sim.errors import WorkerError


@pytest.fixture(scope="module")
def world():
    tree = {
        "num_envs": 8,
        "ppo": {"num_steps": 2, "num_minibatches": 1, "num_epochs": 1, "hidden_sizes": [8]},
        "separate": {"horizon": 6},
        "scene": {"physics_dt_s": 0.01, "decimation": 5},
    }
    config = from_tree(tree, Config, Config())
    world = make_world(config, 8)
    yield config, world
    world.sim.close()


def test_transition_and_update_are_traced_once(world):
    config, (sim, env, network) = world
    task = env.task
    starts = task.starts(sim, 8, 0, compiled.jit)
    keys = jax.random.split(jax.random.key(0))
    learner = init_learner(config.ppo, task.obs_size, task.action_size, keys[0])
    carry = init_carry(task, starts, 8, 2, keys[1])
    learner, carry, starts = compiled.place((learner, carry, starts))
    transition = compiled.compile_transition(env, network)
    update = compiled.compile_update(config.ppo, 10)
    for _ in range(3):
        for _ in range(2):
            targets, mask, views, carry = transition(
                starts, learner.policy, carry=carry, views=sim.views()
            )
            sim.write(mask, views)
            sim.step(targets)
        with jax.numpy_dtype_promotion("standard"):  # optax's own arithmetic
            learner, _ = update(learner, carry.rollout, carry.tally)
    assert transition._cache_size() == 1
    assert update._cache_size() == 1


def test_random_fails_and_the_script_mostly_succeeds(world):
    config, _ = world
    config = from_tree({"separate": {"horizon": 300}, "num_envs": 48}, Config, config)
    examined = make_world(config, 48)
    like = init_learner(
        config.ppo, examined.task.obs_size, examined.task.action_size, jax.random.key(0)
    )
    results = evaluation.examine(examined, like.policy, 5, baselines=True)
    examined.sim.close()
    assert results["random"].success_rate < 0.05
    assert results["scripted"].success_rate > 0.6
    assert results["learned"].success_rate < 0.05  # an untrained network does nothing


class BrokenOff:
    """An engine that tells only in its report that it failed."""

    def __init__(self, sim):
        self._sim = sim

    def __getattr__(self, name):
        return getattr(self._sim, name)

    def report(self):
        def read():
            raise WorkerError("error 700")

        return read


def test_figures_of_an_engine_that_failed_on_the_way_are_not_given(world):
    config, (sim, *rest) = world
    task = world[1].task
    like = init_learner(config.ppo, task.obs_size, task.action_size, jax.random.key(0))
    broken = World(BrokenOff(sim), *rest)
    with pytest.raises(WorkerError, match="error 700"):
        evaluation.examine(broken, like.policy, 5, baselines=False)
