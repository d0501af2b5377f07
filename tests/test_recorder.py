"""A run's memory: what it refuses to save, and what it counts."""

import contextlib
import dataclasses
import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from screwpush_jax.algorithms.ppo.update import init_learner
from screwpush_jax.checkpoint import CheckpointStore
from screwpush_jax.compiled import jit
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import DivergedError, UsageError
from screwpush_jax.newest_episodes import NewestEpisodes
from screwpush_jax.recorder import Recorder
from screwpush_jax.score import wilson_interval
from screwpush_jax.stopping import Stopper

Config = config_type()

CONFIG = from_tree({"num_envs": 4, "ppo": {"num_steps": 2, "hidden_sizes": [4]}}, Config, Config())


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Makes the recorder of a run of some task, and the list of all that it saves."""
    saved = []
    monkeypatch.setattr(
        CheckpointStore,
        "save",
        lambda _, step, state, meta, score: saved.append((step, meta, score)),
    )
    task = SimpleNamespace(name="juggling", obs_layout=(), score="caught_all")
    world = SimpleNamespace(task=task, sim=SimpleNamespace(spec=SimpleNamespace(engine="mujoco")))
    with contextlib.ExitStack() as open_ones:

        def make(config=CONFIG):
            made = Recorder(config, world, tmp_path, None, Stopper(lambda: ""), live=False)
            return open_ones.enter_context(made), saved

        yield make


@pytest.fixture
def recorder(follow):
    return follow()


def state(change=lambda leaf: leaf):
    init = jit(lambda key: init_learner(CONFIG.ppo, {"policy": 3}, 2, key))
    learner = init(jax.random.key(0))
    weights = jax.tree.map(change, learner.policy.params)
    learner = learner.replace(policy=learner.policy.replace(params=weights))
    return SimpleNamespace(learner=learner, carry=SimpleNamespace(t=jnp.int32(0)))


@pytest.mark.slow
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_learner_that_is_not_finite_is_an_error_and_is_not_saved(recorder, value):
    made, saved = recorder
    with pytest.raises(DivergedError, match="after 0 control steps .* not finite"):
        made.save(state(lambda leaf: leaf.at[(0,) * leaf.ndim].set(value)))
    assert saved == []


@pytest.mark.slow
def test_the_same_step_is_saved_once(recorder):
    made, saved = recorder
    made.save(state())
    made.save(state())
    assert [step for step, *_ in saved] == [0]


@pytest.mark.slow
def test_a_score_is_of_the_episodes_since_the_last_checkpoint(recorder):
    made, saved = recorder
    report = dict.fromkeys(("perf/steps", "perf/elapsed_ms", "perf/sim_ms", "perf/pause_ms"), 1.0)
    for episodes, rate in ((30.0, 0.5), (10.0, 1.0), (5.0, math.inf), (0.0, 0.0)):
        metrics = {"episodes": episodes, "env/caught_all": rate, "env/drops": 3.0}
        made.iteration({k: jnp.float32(v) for k, v in metrics.items()}, lambda: dict(report))
    made.save(state())
    (_, meta, score), *_ = saved
    assert score.count == 45
    assert score.mean == pytest.approx((15 + 10) / 45)
    assert meta["counters"]["tally"] == {}
    assert meta["counters"]["iterations"] == 4


@pytest.mark.parametrize("mean", [-0.5, 1.25])
def test_a_score_that_is_no_rate_is_told_at_the_first_iteration(recorder, mean):
    made, saved = recorder
    report = dict.fromkeys(("perf/steps", "perf/elapsed_ms", "perf/sim_ms", "perf/pause_ms"), 1.0)
    metrics = {"episodes": jnp.float32(8.0), "env/caught_all": jnp.float32(mean)}
    made.iteration(metrics, lambda: dict(report))
    said = f"--task juggling: its score 'caught_all' was {mean:g} in the mean; valid: a metric that is 0"
    with pytest.raises(UsageError, match=said):
        made.flush()
    assert not saved


@pytest.mark.slow
def test_training_ends_when_success_is_sure_and_a_run_that_goes_on_knows_it(follow):
    config = dataclasses.replace(CONFIG, stop_at_success=0.9, total_env_steps=10**6)
    made, saved = follow(config)
    report = dict.fromkeys(("perf/steps", "perf/elapsed_ms", "perf/sim_ms", "perf/pause_ms"), 1.0)
    rates = [0.5] * 3 + [0.97] * 4
    for done, rate in enumerate(rates):
        assert made.should_continue(), done
        metrics = {"episodes": 400.0, "env/caught_all": rate}
        made.iteration({k: jnp.float32(v) for k, v in metrics.items()}, lambda: dict(report))
    # 1,200 episodes at 0.97 are iterations 4 to 6, of which the host hears while the 7th runs
    assert not made.should_continue()
    assert made.reached_goal()
    made.save(state())
    (_, meta, _), *_ = saved
    assert meta["counters"]["iterations"] == 7
    low = NewestEpisodes(meta["counters"]["newest_episodes"]).low(7)
    assert low == pytest.approx(wilson_interval(0.97, 1200)[0], abs=1e-6)
