"""The scripted baselines do what a baseline is for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytestmark = pytest.mark.slow

STILL, RANDOM, SCRIPT = range(3)


@pytest.fixture(scope="module")
def play(sim):
    """`(task, starts, who, steps) -> (first state, last state, whether each succeeded)` of eight
    episodes; an episode counts until its first end."""

    def act(task, who, memory, derived, key):
        still = jnp.zeros((8, task.action_size))
        at_random = jax.random.uniform(key, still.shape, minval=-1)
        script = task.baselines["scripted"](task, memory, derived, key)
        return jnp.stack([still, at_random, script])[who]

    @functools.cache
    def compiled(task):
        def one(who, memory, views, key):
            now = task.derive(memory, sim.unpack(views))
            result, memory = task.step(memory, now, jnp.zeros(8, bool))
            return result, *task.act(memory, now, act(task, who, memory, now, key))

        return jax.jit(task.reset), jax.jit(one)

    def run(task, starts, who, steps):
        reset, one = compiled(task)
        derived, memory = reset(starts, jnp.tile(jnp.arange(8), (2, 1)), jax.random.key(0))
        sim.write(jnp.ones(8, bool), sim.pack(derived.state))
        sim.step(memory.joint_targets)
        ended, succeeded = np.zeros(8, bool), np.zeros(8, bool)
        for count in range(steps):
            result, control, memory = one(who, memory, sim.views(), jax.random.key(count))
            succeeded |= ~ended & np.asarray(result.metrics["success_once"])
            ended |= np.asarray(result.terminated)
            sim.step(control)
        return derived.state, sim.unpack(sim.views()), succeeded

    return run


def mean_gap_m(state) -> np.ndarray:
    """Mean distance `[N]` of the pairs of screws."""
    pos = np.asarray(state.bodies["screws"].pos_w)
    first, second = np.triu_indices(pos.shape[1], k=1)
    return np.linalg.norm(pos[:, first] - pos[:, second], axis=-1).mean(axis=1)


def test_the_script_separates_screws_better_than_standing_still(make_task, starts, play):
    """150 control steps each way from the same starts."""
    task, gains_m = make_task(active_axes=("x", "y", "z")), []
    for who in (STILL, SCRIPT):
        before, after, _ = play(task, starts, who, 150)
        gains_m.append(mean_gap_m(after) - mean_gap_m(before))
    still, script = gains_m
    assert np.abs(still).max() < 0.002
    assert np.mean(script) > 0.03


def test_the_script_brings_the_marked_screw_to_the_disc(make_goal, sim, jit, play):
    """220 control steps from the same starts; who acts at random, or not at all, hardly ever does."""
    task = make_goal(active_axes=("x", "y", "z"))
    starts = task.starts(sim, 8, 3, jit)
    still, at_random, script = (
        int(play(task, starts, who, 220)[2].sum()) for who in (STILL, RANDOM, SCRIPT)
    )
    assert still == 0
    assert at_random <= 1
    assert script >= 7
