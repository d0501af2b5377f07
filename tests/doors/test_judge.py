"""The judgement of the comparison of learners is that of the evaluation."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks.rivals.judge import judge
from screwpush_jax.build import make_world
from screwpush_jax.doors.settings import resolve
from screwpush_jax.evaluation import examine

from .toy import TOY

EPISODES = 90


@pytest.fixture
def config(toys):
    return resolve("mark", env={"step_rad": 0.15}, eval={"episodes": EPISODES, "seed": 7}, **TOY)


@pytest.mark.slow
def test_policies_come_to_what_the_evaluation_says_of_them(config):
    """The baseline `up` by its own action, and one that stays where it is."""
    world = make_world(config, EPISODES, "eval")
    untrained = world.algorithm.init(jax.random.key(0)).policy
    want = examine(world, untrained, config.eval.seed, baselines=True)["up"]
    assert 0.3 < want.success_rate < 0.95

    def stay(obs):
        return jnp.zeros((len(obs), 1))

    def up(obs):
        return jnp.ones((len(obs), 1))

    each, last = judge(config, lambda batch: batch, jnp.concatenate, [stay, up, up])
    assert [verdict.episodes for verdict in each] == [30, 30, 30]
    assert (each[0].success_rate, each[0].episode_len) == (0.0, config.env.horizon)
    assert last.success_rate == pytest.approx(want.success_rate)
    assert last.success_low == pytest.approx(want.success_low)
    assert last.episode_len == pytest.approx(want.episode_len)
    both = (each[1].success_rate + each[2].success_rate) / 2
    assert both == pytest.approx(last.success_rate, abs=0.15)
