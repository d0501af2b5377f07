"""A transition on a toy task, with an algorithm that is not PPO: it notes and remembers its own."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.algorithm import Decision
from screwpush_jax.compiled import compile_episodes, compile_transition
from screwpush_jax.env import Env
from screwpush_jax.tasks.task import StepResult
from screwpush_jax.transition import EPISODES, Tally, episode_means, init_carry

pytestmark = pytest.mark.slow

N, T, HORIZON, B = 4, 6, 5, 7
BLOWS_UP = {4: 2, 15: 0}
"""Environments by the number of the transition that sees it."""


class Toy(NamedTuple):
    x: jax.Array  # [N]


class Derived(NamedTuple):
    state: Toy


class Walk:
    """A point that the action moves; its start is drawn, and beyond 1 the episode ends."""

    metrics, score, rows_per_start, baselines = ("beyond",), "beyond", 1, {}
    reward_keys, action_size, horizon, obs_sizes = ("goal", "time"), 1, HORIZON, {"policy": 2}

    def reset(self, starts, rows, key):
        return Derived(Toy(starts[rows[0]])), ()

    def derive(self, memory, state):
        return Derived(state)

    def is_invalid(self, state):
        return jnp.isnan(state.x)

    def step(self, memory, derived, invalid):
        beyond = (derived.state.x > 1) & ~invalid
        goal, time = jnp.where(beyond, 5.0, 0.0), jnp.where(invalid, 0.0, -1.0)
        terms = {"goal": goal, "time": time}
        return StepResult(goal + time, terms, beyond | invalid, {"beyond": beyond}), memory

    def observe(self, memory, derived, time_left, key):
        return {"policy": jnp.stack([derived.state.x, time_left], axis=-1)}

    def act(self, memory, derived, action):
        return action, memory

    def hold(self, memory, derived):
        return jnp.zeros((*derived.state.x.shape, 1))


class Learner(NamedTuple):
    policy: jax.Array  # [] how far it goes


class Counting:
    """Remembers how often it has acted in this episode, and notes that down, without any critic."""

    num_steps, group_size, obs_sizes, action_size = T, 1, Walk.obs_sizes, 1

    def init(self, key):
        return Learner(jnp.float32(0.3))

    def init_memory(self, num_envs):
        return jnp.zeros(num_envs, jnp.int32)

    def act(self, policy, memory, obs, key):
        action = policy + 0.2 * jax.random.uniform(key, (obs["policy"].shape[0], 1))
        return Decision(action, {"log_prob": -action[:, 0], "acted": memory}, memory + 1)

    def act_best(self, policy, memory, obs):
        return policy + 0.1 * memory[:, None].astype(jnp.float32), memory + 1

    def after(self, policy, memory, obs, progress):
        records = {"led_to": obs["policy"][:, 0], "acted_then": memory}
        return records | {"live": progress.live, "return_then": progress.return_}

    def update(self, num_iterations, learner, rollout):
        raise NotImplementedError


ENV = Env(Walk(), lambda views: Toy(views["x"]), lambda state: {"x": state.x})
STARTS = jnp.linspace(-0.5, 0.4, B)


@pytest.fixture(scope="module")
def steps():
    """Of 4 T transitions: what the engine showed, the carry before and after, and the mask.

    Two environments blow up on the way.
    """
    transition = compile_transition(ENV, Counting())
    carry = init_carry(ENV.task, Counting(), STARTS, N, jax.random.key(0))
    x, seen = jnp.full(N, jnp.nan), []
    for count in range(4 * T):
        x = x.at[BLOWS_UP.get(count, N)].set(jnp.nan)  # beyond the last one nothing is set
        shown = np.array(x)
        before = jax.tree.map(np.array, carry.replace(key=()))
        control, mask, views, carry = transition(
            STARTS, jnp.float32(0.3), carry=carry, views={"x": x}
        )
        after = jax.tree.map(np.array, carry.replace(key=()))
        seen.append((shown, before, np.array(mask), after))
        x = jnp.where(mask, views["x"], x) + control[:, 0]
    return seen


def test_an_algorithms_own_records_fill_its_rollout(steps):
    for count, (shown, before, _, after) in enumerate(steps[1:]):
        step = jax.tree.map(lambda leaf, t=count % T: leaf[t], after.rollout)
        assert step.records.keys() == {
            "log_prob",
            "acted",
            "led_to",
            "acted_then",
            "live",
            "return_then",
        }
        decision = before.pending.decision
        np.testing.assert_array_equal(step.action, decision.action)
        np.testing.assert_array_equal(step.obs["policy"], before.pending.obs["policy"])
        np.testing.assert_array_equal(step.records["log_prob"], -decision.action[:, 0])
        sound = ~np.isnan(shown)  # one that blew up is shown at a start
        np.testing.assert_allclose(step.records["led_to"][sound], shown[sound], atol=1e-6)
        assert np.isfinite(step.records["led_to"]).all()


def test_the_tally_is_what_a_slow_count_finds(steps):
    """From what the engine showed alone, and each first clock; sums start anew each iteration."""
    clock, returns, ways = steps[0][-1].env.step.astype(int), np.zeros(N), set()
    total, ended = {}, 0
    for count, (shown, _, mask, after) in enumerate(steps[1:]):
        if count % T == 0:
            total, ended = dict.fromkeys(after.tally.finished, 0.0), 0
        clock += 1
        for n, x in enumerate(shown):
            invalid, beyond = np.isnan(x), x > 1
            returns[n] += 0.0 if invalid else 5.0 * beyond - 1.0
            assert after.rollout.records["return_then"][count % T, n] == pytest.approx(returns[n])
            over = invalid or beyond or clock[n] == HORIZON
            assert mask[n] == over
            if not over:
                continue
            ways.add("invalid" if invalid else "beyond" if beyond else "truncated")
            ended += 1
            goal = 5.0 if beyond else 0.0
            found = {"return": returns[n], "reward/goal": goal, "reward/time": returns[n] - goal}
            found |= {"invalid": invalid, "beyond": beyond, "episode_len": clock[n]}
            total = {name: value + found[name[4:]] for name, value in total.items()}
            clock[n], returns[n] = 0, 0.0
        np.testing.assert_array_equal(after.rollout.records["live"][count % T], True)
        assert after.tally.episodes == ended
        got = {name: float(value) for name, value in after.tally.finished.items()}
        assert got == pytest.approx(total)
        assert len(got) == 6
    assert ways == {"invalid", "beyond", "truncated"}


def test_the_means_of_an_iteration_are_over_its_episodes():
    finished = {"env/return": jnp.float32(-6.0), "env/beyond": jnp.float32(3.0)}
    means = episode_means(Tally(finished, jnp.float32(4.0)))
    assert means == {"env/return": -1.5, "env/beyond": 0.75, EPISODES: 4.0}
    none = episode_means(Tally(jax.tree.map(jnp.zeros_like, finished), jnp.float32(0.0)))
    assert none == {"env/return": 0.0, "env/beyond": 0.0, EPISODES: 0.0}


def test_a_policys_memory_lasts_an_episode_and_no_longer(steps):
    """Counted by hand from the masks; the end of an episode still sees what led to it."""
    acted, episodes = np.zeros(N, int), 0
    for count, (_, _, mask, after) in enumerate(steps):
        if count:
            records = {name: x[(count - 1) % T] for name, x in after.rollout.records.items()}
            np.testing.assert_array_equal(records["acted_then"], acted)
            np.testing.assert_array_equal(records["acted"], acted - 1)
        acted = np.where(mask, 0, acted) + 1
        np.testing.assert_array_equal(after.pending.decision.memory, acted)
        episodes += mask.sum()
    assert episodes > 3 * N


def test_a_policy_that_is_evaluated_remembers_too():
    """Its step grows with what it has done: 0.3, 0.4, 0.5 from 0.0 is beyond 1 after three."""
    functions = compile_episodes(ENV, Counting())
    starts, x = jnp.zeros(N), jnp.full(N, jnp.nan)
    episodes = functions.init(starts, jax.random.key(0))
    for _ in range(HORIZON + 1):
        control, mask, views, episodes = functions.step(
            starts, jnp.float32(0.3), np.int32(0), episodes=episodes, views={"x": x}
        )
        x = jnp.where(mask, views["x"], x) + control[:, 0]
    assert episodes.figures["beyond"].all()
    np.testing.assert_array_equal(episodes.figures["episode_len"], 3)
