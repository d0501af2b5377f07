"""What is recorded of episodes on the device, against lists that a loop keeps of each."""

from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax import episodes, outcomes
from screwpush_jax.env import Env
from screwpush_jax.recording import init_recording
from screwpush_jax.restart import ONCE
from screwpush_jax.tasks.task import StepResult

GOAL, N = 10.0, 6


class Spot(NamedTuple):
    """A point on a line."""

    x: jax.Array  # [N]


class Seen(NamedTuple):
    state: Spot


class Line:
    """Go beyond `GOAL`, in either direction, before the time is over: below is a fall."""

    metrics, score, rows_per_start, reward_keys = ("there", "fell_off", "x"), "there", 1, ()
    action_size, baselines = 1, {}

    def __init__(self, horizon):
        self.horizon = horizon

    def reset(self, starts, rows, key):
        return Seen(Spot(starts["x"][rows[0]])), starts["speed"][rows[0]]

    def derive(self, memory, state):
        return Seen(state)

    def is_invalid(self, state):
        return jnp.isnan(state.x)

    def step(self, memory, derived, invalid):
        x = derived.state.x
        there, fell = (x >= GOAL) & ~invalid, (x <= -GOAL) & ~invalid
        metrics = {"there": there, "fell_off": fell, "x": x}
        return StepResult(0.0 * x, {}, there | fell | invalid, metrics), memory

    def observe(self, memory, derived, time_left, key):
        return {"policy": derived.state.x[:, None]}

    def act(self, memory, derived, action):
        return memory[:, None], memory

    def hold(self, memory, derived):
        return 0.0 * memory[:, None]


class Watched(Line):
    def watch(self, derived):
        x = derived.state.x
        return {"x": x, "pair": jnp.stack([x, -x], axis=-1)}

    def report(self, by_policy):
        return []


SPEEDS = np.array([0.0, 0.3, -0.4, 0.11, 25.0, 0.2], np.float32)
BROKEN = 5, 4
"""Environment and turn at which its physics blows up."""


def run(task):
    """The ended episodes, and of each the places at which it was, clock 0 first."""
    algorithm = SimpleNamespace(
        init_memory=jnp.zeros, act_best=lambda policy, memory, obs: (obs["policy"], memory)
    )
    env = Env(task, lambda views: Spot(views["x"]), lambda state: {"x": state.x}, ONCE)
    starts = {"x": jnp.arange(N, dtype=jnp.float32) / 8, "speed": jnp.asarray(SPEEDS)}
    state = episodes.init_episodes(env, algorithm, starts, jax.random.key(0))
    step = jax.jit(lambda state, x: episodes.step(
        env, algorithm, starts, None, jnp.int32(0), state, {"x": x}))  # fmt: skip
    shown, been, ended = np.full(N, np.nan, np.float32), [[] for _ in range(N)], np.zeros(N, bool)
    for turn in range(task.horizon + 1):
        if turn == BROKEN[1]:
            shown[BROKEN[0]] = np.nan
        control, mask, views, state = step(state, jnp.asarray(shown))
        x = np.where(mask, np.asarray(views["x"]), shown)
        for n in range(N):
            if not ended[n] and (turn, n) != BROKEN[::-1]:
                been[n].append(x[n])
        ended = np.asarray(state.ended)
        shown = (x + np.asarray(control)[:, 0]).astype(np.float32)
    assert ended.all()
    return state, been


@pytest.fixture(scope="module", params=[7, 100])
def ran(request):
    task = Watched(request.param)
    return task, *run(task)


def test_the_last_sound_instant_of_each_is_kept(ran):
    task, state, been = ran
    last = outcomes.read(task, state).records.last
    np.testing.assert_array_equal(last["x"], [places[-1] for places in been])
    np.testing.assert_array_equal(last["pair"], np.stack([last["x"], -last["x"]], axis=-1))
    assert len(been[BROKEN[0]]) == BROKEN[1]


def test_the_way_is_kept_at_even_spaces_and_bounded(ran):
    task, state, been = ran
    path = outcomes.read(task, state).records.path
    count = path["x"].shape[1]
    assert path["pair"].shape == (N, count, 2)
    assert count <= 32
    assert count > 16 or task.horizon < 16
    (stride,) = {s for s in range(1, 9) if task.horizon // s + 1 == count}
    for n, places in enumerate(been):
        kept = places[::stride]
        np.testing.assert_array_equal(path["x"][n, : len(kept)], kept)
        assert np.isnan(path["x"][n, len(kept) :]).all()


ENDS = {
    7: ["time limit", "time limit", "time limit", "time limit", "success", "invalid"],
    100: ["time limit", "success", "fell off", "success", "success", "invalid"],
}


def test_what_ended_each_is_named(ran):
    task, state, _ = ran
    found = outcomes.read(task, state)
    assert found.ended_by.tolist() == ENDS[task.horizon]
    np.testing.assert_array_equal(found.records.success, found.ended_by == "success")


def test_the_memory_is_bounded_whatever_the_horizon():
    starts = {"x": jnp.zeros(N), "speed": jnp.zeros(N)}
    for horizon in (1, 2, 31, 32, 33, 61, 62, 63, 300, 100_000):
        shapes = jax.eval_shape(lambda h=horizon: init_recording(Watched(h), starts, N))
        assert 2 <= shapes.path["x"].shape[1] <= 32


def test_a_task_that_watches_nothing_costs_nothing():
    task = Line(7)
    state, _ = run(task)
    assert not jax.tree.leaves(state.recording)
    records = outcomes.read(task, state).records
    assert not records.path
    assert not records.last
