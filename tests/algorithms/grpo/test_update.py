"""One update against a hand-rolled step, what waits and counts nowhere, devices, and as a learner."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from screwpush_jax.algorithms.algorithm import blank_step
from screwpush_jax.algorithms.common.acting import best_action, choose_action
from screwpush_jax.algorithms.common.networks import ActorCritic, make_network
from screwpush_jax.algorithms.common.types import AXIS, Progress, Rollout, is_finite
from screwpush_jax.algorithms.grpo.algorithm import GRPO
from screwpush_jax.algorithms.grpo.config import GRPOConfig
from screwpush_jax.algorithms.grpo.losses import Minibatch, grpo_loss
from screwpush_jax.algorithms.grpo.update import init_learner, update

pytestmark = pytest.mark.slow

T, N, G, OBS, ACTION = 4, 8, 2, 3, 2
KEY = jax.random.key(7)
CONFIG = GRPOConfig(
    hidden_sizes=(5,), group_size=G, num_epochs=1, num_minibatches=1, kl_coef=0.2, reference="first"
)
PLAIN = dataclasses.replace(CONFIG, reference="update", ent_coef=0.0)
NETWORK = make_network(CONFIG, ACTION)


@pytest.fixture(scope="module")
def learner():
    """Not at its special start: a used network and normaliser, and another reference."""

    def used(key):
        fresh = init_learner(CONFIG, {"policy": OBS}, ACTION, key)
        moments = fresh.policy.obs_moments["policy"].replace(
            mean=jnp.array([1.0, -2.0, 0.5]), var=jnp.array([4.0, 0.25, 1.0]), count=jnp.float32(9)
        )
        params = jax.tree.map(lambda x: x + 0.2, fresh.policy.params)
        policy = fresh.policy.replace(params=params, obs_moments={"policy": moments})
        return fresh.replace(policy=policy, iteration=jnp.int32(3))

    return jax.jit(used)(KEY)


@pytest.fixture(scope="module")
def rollout(learner):
    """Two episodes of each group: one ends at its second step, the second at the fourth or not."""
    rng = np.random.default_rng(0)
    obs = {"policy": jnp.asarray(rng.normal(1.0, 2.0, (T, N, OBS)), jnp.float32)}
    action, log_prob = jax.jit(functools.partial(choose_action, NETWORK))(learner.policy, obs, KEY)
    live = np.ones((T, N), bool)
    ended = np.zeros((T, N), bool)
    ended[1] = ended[3, :6] = True  # the last group is not done
    ended[0, ::2], live[1, ::2] = True, False  # each other one waits for its mate
    ended[1, ::2] = False
    return Rollout(
        obs=obs,
        action=action,
        records={
            "log_prob": log_prob,
            "live": jnp.asarray(live),
            "return": jnp.asarray(np.where(live, 1.0, 0.0).cumsum(0) * rng.normal(3, 1, (1, N)), jnp.float32),
        },
        reward=jnp.zeros((T, N)),
        terminated=jnp.asarray(ended & (rng.uniform(size=(T, N)) < 0.5)),
        truncated=jnp.asarray(ended),
    )  # fmt: skip


def update_on(config, learner, rollout, num_shards=1, num_iterations=10):
    """`update` with the environments dealt to `num_shards` devices; what each of them has is equal."""

    def deal(x):
        return jnp.stack(jnp.split(x, num_shards, axis=1))

    everywhere = _compiled(config, num_iterations)(learner, jax.tree.map(deal, rollout))
    return jax.tree.map(lambda x: x[0], everywhere)


@functools.cache
def _compiled(config, num_iterations):
    function = functools.partial(update, config, num_iterations)
    mapped = jax.vmap(function, in_axes=(None, 0), axis_name=AXIS)
    return jax.jit(mapped, compiler_options={"xla_backend_optimization_level": 0})


def numbers(tree):
    return jax.tree.map(
        lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x,
        tree,
    )


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, numbers(one), numbers(other))


def step_by_hand(learner, rollout, foreign_code):
    """Parameters and metrics after one step of optax's Adam on the whole rollout."""
    live, return_ = (np.asarray(rollout.records[name]) for name in ("live", "return"))
    advantages, counts = np.zeros((T, N)), live.copy()
    for end, steps in ((1, slice(0, 2)), (3, slice(2, 4))):
        groups = np.float64(return_[end]).reshape(-1, G)
        apart = (groups - groups.mean(1, keepdims=True)) / groups.std(1, keepdims=True)
        advantages[steps] = apart.reshape(-1)
    counts[2:, 6:] = False
    moments = learner.policy.obs_moments["policy"]
    obs = np.asarray(rollout.obs["policy"])
    seen = np.clip((obs - np.asarray(moments.mean)) / np.sqrt(np.asarray(moments.var)), -10, 10)
    first = jnp.clip(jnp.asarray(obs) / jnp.sqrt(1 + 1e-6), -10, 10)  # moments of 0 and 1
    at_first = jax.jit(functools.partial(NETWORK.apply, method=ActorCritic.act))
    columns = {
        "obs": seen,
        "action": rollout.action,
        "log_prob": rollout.records["log_prob"],
        "reference_log_prob": at_first(learner.reference.params, {"policy": first}).log_prob(
            rollout.action
        ),
        "advantages": advantages,
        "weight": counts / counts.mean(),
    }
    columns = {k: jnp.float32(x).reshape(T * N, *x.shape[2:]) for k, x in columns.items()}
    batch = Minibatch(**columns | {"obs": {"policy": columns["obs"]}})
    slope = jax.jit(jax.grad(grpo_loss, has_aux=True), static_argnums=(1, 3))
    gradient, metrics = slope(learner.policy.params, NETWORK, batch, CONFIG)
    optimizer = optax.chain(
        optax.clip_by_global_norm(CONFIG.max_grad_norm),
        optax.adam(learner.learning_rate, eps=1e-5),
    )
    params = learner.policy.params
    with foreign_code():
        change, _ = optimizer.update(gradient, optimizer.init(params))
    return optax.apply_updates(params, change), metrics


def test_one_epoch_of_one_minibatch_is_the_step_worked_out_by_hand(learner, rollout, foreign_code):
    after, metrics = update_on(CONFIG, learner, rollout)
    params, expected = step_by_hand(learner, rollout, foreign_code)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=3e-6), after.policy.params, params
    )
    moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), params, learner.policy.params)
    assert min(jax.tree.leaves(moved)) > 3e-4  # far more than the tolerance
    for name, value in expected.items():
        assert float(metrics[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), name
    assert expected["actor/reference_kl"] > 1e-3


def test_the_figures_of_a_rollout(learner, rollout):
    _, metrics = update_on(CONFIG, learner, rollout)
    return_ = np.asarray(rollout.records["return"], np.float64)
    ends = [*return_[1], *return_[3, :6]]
    deviations = np.reshape(ends, (-1, G)).std(1)
    assert metrics["rollout/returns_mean"] == pytest.approx(np.mean(ends), rel=1e-5)
    assert metrics["rollout/returns_std_in_group"] == pytest.approx(deviations.mean(), rel=1e-5)
    assert metrics["rollout/equal_groups"] == 0.0
    assert metrics["rollout/live_steps"] == pytest.approx(28 / 32)
    assert metrics["rollout/counted_steps"] == pytest.approx(24 / 32)
    assert not {name for name in metrics if "value" in name}


def test_equal_groups_are_counted_and_move_nothing(learner, rollout):
    """Without entropy, and at the reference policy itself, there is nothing to descend."""
    equal = jnp.ones_like(rollout.records["return"])
    after, metrics = update_on(
        PLAIN,
        learner.replace(reference=None),
        rollout.replace(records=rollout.records | {"return": equal}),
    )
    assert metrics["rollout/equal_groups"] == 1.0
    assert metrics["actor/loss"] == 0.0
    assert metrics["actor/grad_norm"] < 1e-5
    assert abs(metrics["actor/reference_kl"]) < 1e-6
    assert after.reference is None


def test_what_waits_changes_nothing(learner, rollout):
    """Neither parameters nor moments, whatever it shows."""
    waits = ~rollout.records["live"]
    other = rollout.replace(
        obs={"policy": jnp.where(waits[..., None], 77.0, rollout.obs["policy"])},
        action=jnp.where(waits[..., None], -3.0, rollout.action),
        reward=jnp.where(waits, 5.0, rollout.reward),
        terminated=rollout.terminated | waits,
        truncated=rollout.truncated | waits,
    )
    one, other = (update_on(CONFIG, learner, x) for x in (rollout, other))
    assert_same(one, other)
    assert one[0].policy.obs_moments["policy"].count > learner.policy.obs_moments["policy"].count


def test_moments_are_of_what_was_under_way(learner, rollout):
    after, _ = update_on(CONFIG, learner, rollout)
    fresh = learner.replace(
        policy=learner.policy.replace(
            obs_moments=jax.tree.map(jnp.zeros_like, learner.policy.obs_moments)
        )
    )
    first, _ = update_on(CONFIG, fresh, rollout)
    seen = np.asarray(rollout.obs["policy"])[np.asarray(rollout.records["live"])]
    found = first.policy.obs_moments["policy"]
    np.testing.assert_allclose(found.mean, seen.mean(0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.var, seen.var(0), rtol=1e-3)
    assert after.iteration == learner.iteration + 1


def test_devices_together_are_one(learner, rollout):
    (one, metrics), (parts, of_parts) = (
        update_on(CONFIG, learner, rollout, shards) for shards in (1, 4)
    )
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    jax.tree.map(close, parts.policy, one.policy)
    jax.tree.map(close, of_parts, metrics)


def test_one_wild_return_leaves_the_others_their_say(learner, rollout):
    wild = rollout.records["return"].at[:, 0].set(jnp.nan)
    after, metrics = update_on(
        CONFIG, learner, rollout.replace(records=rollout.records | {"return": wild})
    )
    assert is_finite(after)
    assert all(np.isfinite(value) for value in metrics.values())
    moved = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), after.policy, learner.policy)
    assert min(jax.tree.leaves(moved.params)) > 0


# --- the reference policy -----------------------------------------------------------------------


def test_the_first_policy_stays_the_reference(learner, rollout):
    begun = learner.replace(iteration=jnp.int32(0))
    one, _ = update_on(CONFIG, begun, rollout)
    assert_same(one.reference, begun.policy)  # whatever was there before
    two, _ = update_on(CONFIG, one, rollout)
    assert_same(two.reference, begun.policy)


def test_nobody_keeps_the_policy_of_a_rollout():
    init = functools.partial(init_learner, PLAIN, {"policy": OBS}, ACTION)
    assert jax.eval_shape(init, KEY).reference is None


# --- the algorithm ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def algorithm():
    return GRPO(CONFIG, T, {"policy": OBS, "critic": 9}, ACTION)


def test_there_is_no_critic(algorithm):
    learner = jax.eval_shape(algorithm.init, KEY)
    assert set(learner.policy.params["params"]) == {"actor", "log_std"}
    assert {field.name for field in dataclasses.fields(learner.policy)} == {"params", "obs_moments"}
    _, step = blank_step(algorithm, N)
    assert set(step.obs) == {"policy"}  # nobody reads what is for a critic
    assert set(step.records) == {"log_prob", "live", "return"}


def test_it_acts_and_notes_down_as_it_says(algorithm, learner):
    obs = {"policy": jnp.ones((N, OBS)), "critic": jnp.zeros((N, 9))}
    decision = jax.jit(algorithm.act)(learner.policy, (), obs, KEY)
    assert decision.action.shape == (N, ACTION)
    best, _ = jax.jit(algorithm.act_best)(learner.policy, (), obs)
    z = (decision.action - best) / jnp.exp(learner.policy.params["params"]["log_std"])[None]
    assert np.abs(z).max() < 5
    progress = Progress(live=jnp.arange(N) < 3, return_=jnp.arange(N, dtype=jnp.float32))
    records = algorithm.after(learner.policy, (), obs, progress)
    np.testing.assert_array_equal(records["live"], progress.live)
    np.testing.assert_array_equal(records["return"], progress.return_)
    assert (algorithm.num_steps, algorithm.group_size) == (T, G)


# --- learning -----------------------------------------------------------------------------------


def bandit(config, policy, key):
    """Episodes of one step; a group sees one observation. Best is half of it, plus 0.3."""
    network = make_network(config, 1)
    obs_key, act_key = jax.random.split(key)
    seen = jax.random.normal(obs_key, (4, 32 // config.group_size, 1))
    obs = {"policy": jnp.repeat(seen, config.group_size, axis=1)}
    action, log_prob = choose_action(network, policy, obs, act_key)
    reward = 5.0 - jnp.sum((action - 0.5 * obs["policy"] - 0.3) ** 2, axis=-1)
    yes = jnp.ones_like(reward, dtype=bool)
    records = {"log_prob": log_prob, "live": yes, "return": reward}
    return Rollout(obs, action, records, reward, terminated=yes, truncated=~yes)


@pytest.mark.heavy  # tests/outside trains a task by the command
def test_the_policy_moves_to_the_best_action():
    config = GRPOConfig(hidden_sizes=(8,), group_size=8, num_minibatches=2, learning_rate=3e-3)
    learner = jax.jit(lambda key: init_learner(config, {"policy": 1}, 1, key))(jax.random.key(0))
    play = jax.jit(functools.partial(bandit, config))
    history = []
    for key in jax.random.split(jax.random.key(1), 80):
        learner, metrics = update_on(config, learner, play(learner.policy, key), num_iterations=80)
        history.append(float(metrics["rollout/returns_mean"]))
    early, late = np.mean(history[:5]), np.mean(history[-5:])
    assert late > early + 0.5 * (5.0 - early)
    obs = jnp.linspace(-1.5, 1.5, 7)[:, None]
    error = best_action(make_network(config, 1), learner.policy, {"policy": obs}) - (
        0.5 * obs + 0.3
    )
    assert np.abs(error).max() < 0.2
