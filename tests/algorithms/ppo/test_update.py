"""One update against a hand-rolled step, over devices, with bad numbers, and as a learner."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from screwpush_jax.algorithms.common.acting import best_action, choose_action, predict_value
from screwpush_jax.algorithms.common.networks import make_network
from screwpush_jax.algorithms.common.shuffle import minibatch_rows
from screwpush_jax.algorithms.common.types import Rollout, is_finite
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.algorithms.ppo.losses import Minibatch, ppo_loss
from screwpush_jax.algorithms.ppo.update import init_learner

pytestmark = pytest.mark.slow

KEY = jax.random.key(11)


def on(tree, shard):
    return jax.tree.map(lambda x: x[shard], tree)


def assert_close(found, expected, rtol=1e-4, atol=1e-5):
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=rtol, atol=atol), found, expected
    )


def all_finite(tree):
    return all(np.all(np.isfinite(x)) for x in jax.tree.leaves(tree))


# --- one step by hand ---------------------------------------------------------------------------


def targets_by_hand(config, rollout):
    """Advantages and returns `[T, N]` by the recursion, in double precision."""
    reward, value, next_value = (
        np.asarray(x, np.float64)
        for x in (rollout.reward, *(rollout.records[name] for name in ("value", "next_value")))
    )
    terminated, truncated = np.asarray(rollout.terminated), np.asarray(rollout.truncated)
    advantages, later = np.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        delta = reward[t] + config.gamma * next_value[t] * ~terminated[t] - value[t]
        going = ~(terminated[t] | truncated[t])
        later = advantages[t] = delta + config.gamma * config.gae_lambda * going * later
    return advantages, advantages + value


def pooled(moments, batch):
    """Mean and variance of what `moments` stand for together with `batch [samples, ...]`."""
    old, new = float(moments.count), len(batch)
    mean = (old * np.asarray(moments.mean) + batch.sum(0)) / (old + new)
    square = old * (np.asarray(moments.var) + np.asarray(moments.mean) ** 2)
    return mean, (square + (batch**2).sum(0)) / (old + new) - mean**2


def step_by_hand(config, network, learner, rollout, foreign_code):
    """Parameters and metrics after one step of optax's Adam on the whole rollout."""
    policy, params = learner.policy, jax.tree.map(np.asarray, learner.policy.params)
    advantages, returns = targets_by_hand(config, rollout)
    mean, var = pooled(policy.value_moments, returns.ravel())
    head, scale = params["params"]["critic"]["head"], np.sqrt(policy.value_moments.var / var)
    head["bias"] = head["bias"] * scale + (policy.value_moments.mean - mean) / np.sqrt(var)
    head["kernel"] = head["kernel"] * scale
    moments = policy.obs_moments["policy"]
    obs = np.asarray(rollout.obs["policy"]) - np.asarray(moments.mean)
    columns = {
        "obs": np.clip(obs / np.sqrt(np.asarray(moments.var)), -10, 10),
        "action": rollout.action,
        "log_prob": rollout.records["log_prob"],
        "value": (np.asarray(rollout.records["value"]) - mean) / np.sqrt(var),
        "advantages": (advantages - advantages.mean()) / advantages.std(),
        "returns": (returns - mean) / np.sqrt(var),
    }
    size = advantages.size
    columns = {k: jnp.float32(x).reshape(size, *x.shape[2:]) for k, x in columns.items()}
    params = jax.tree.map(jnp.float32, params)
    slope = jax.jit(jax.grad(ppo_loss, has_aux=True), static_argnums=(1, 3))
    batch = Minibatch(**columns | {"obs": {"policy": columns["obs"]}})
    gradient, metrics = slope(params, network, batch, config)
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.adam(learner.learning_rate, eps=1e-5),
    )
    with foreign_code():
        change, _ = optimizer.update(gradient, optimizer.init(params))
    return optax.apply_updates(params, change), metrics


def test_one_epoch_of_one_minibatch_is_the_step_worked_out_by_hand(
    config, network, learner, act, update_on, foreign_code
):
    rollout = act(config, learner.policy, KEY)
    after, metrics = on(update_on(config, learner, rollout), 0)
    params, expected = step_by_hand(config, network, learner, rollout, foreign_code)
    assert_close(after.policy.params, params, atol=3e-6)
    moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), params, learner.policy.params)
    assert min(jax.tree.leaves(moved)) > 3e-4  # far more than the tolerance
    assert_close({name: metrics[name] for name in expected}, expected)


def test_the_rest_of_the_learner_moves_on(config, learner, act, update_on):
    rollout = act(config, learner.policy, KEY)
    after, metrics = on(update_on(config, learner, rollout), 0)
    advantages, returns = targets_by_hand(config, rollout)
    for moments, old, batch in (
        (after.policy.value_moments, learner.policy.value_moments, returns.ravel()),
        (
            after.policy.obs_moments["policy"],
            learner.policy.obs_moments["policy"],
            np.asarray(rollout.obs["policy"]).reshape(-1, 3),
        ),
    ):
        assert_close((moments.mean, moments.var), pooled(old, batch))
        assert moments.count == old.count + len(batch)
    assert after.iteration == learner.iteration + 1
    assert np.any(jax.random.key_data(after.key) != jax.random.key_data(learner.key))
    assert float(after.learning_rate) == pytest.approx(1.5e-3, rel=1e-5)  # the policy hardly moved
    assert metrics["actor/lr"] == learner.learning_rate, "the rate that was used"
    residual = np.var(returns - np.asarray(rollout.records["value"]))
    expected = {
        "actor/explained_variance": 1.0 - residual / np.var(returns),
        "rollout/returns_mean": returns.mean(),
        "rollout/advantages_mean": advantages.mean(),
    }
    assert_close({name: metrics[name] for name in expected}, expected)


# --- what the first minibatch must see ----------------------------------------------------------


def test_data_of_the_same_policy_is_on_policy_and_its_values_are_its_own(
    config, learner, act, update_on
):
    for _ in range(2):  # the second time with moments and a head that an update has changed
        rollout = act(config, learner.policy, KEY)
        learner, metrics = on(update_on(config, learner, rollout), 0)
        assert abs(metrics["actor/approx_kl"]) < 1e-6
        assert metrics["actor/pg_clipfrac"] == 0
        assert metrics["actor/value_clip_ratio"] == 0


def test_new_return_moments_change_no_predicted_value(config, network, learner, act, update_on):
    learner = learner.replace(learning_rate=jnp.float32(0.0))
    rollout = act(config, learner.policy, KEY)
    after, _ = on(update_on(config, learner, rollout), 0)
    assert abs(after.policy.value_moments.mean - learner.policy.value_moments.mean) > 0.1
    policy = after.policy.replace(obs_moments=learner.policy.obs_moments)
    found = predict_value(network, policy, rollout.obs)
    np.testing.assert_allclose(found, rollout.records["value"], rtol=1e-4, atol=1e-4)


@pytest.fixture
def shuffled(config):
    return dataclasses.replace(config, num_epochs=2, num_minibatches=4)


# --- minibatches --------------------------------------------------------------------------------


def test_an_epoch_takes_every_sample_once_in_an_order_of_its_keys_own():
    orders = [np.asarray(minibatch_rows(jax.random.key(seed), 24, 4)) for seed in range(6)]
    for order in orders:
        assert order.shape == (4, 6)
        np.testing.assert_array_equal(np.sort(order, axis=None), np.arange(24))
    assert len({*(tuple(order.ravel()) for order in orders), tuple(range(24))}) == 7


def test_minibatches_mix_environments_and_times():
    """Samples are numbered by time and environment, `t * N + n`."""
    for seed in range(3):
        for batch in np.asarray(minibatch_rows(jax.random.key(seed), 24, 4)):
            assert len(set(batch // 6)) > 1  # times
            assert len(set(batch % 6)) > 1  # environments


def test_minibatches_together_are_the_rollout(config, learner, act, update_on):
    """At a rate of 0 nothing moves, and their mean metrics are those of all samples at once."""
    learner = learner.replace(learning_rate=jnp.float32(0.0))
    behind = learner.policy.replace(
        params=jax.tree.map(lambda x: x + 0.05, learner.policy.params)
    )  # ratios other than 1, so that samples differ in every metric
    rollout = act(config, behind, KEY)
    (_, whole), (_, parts) = (
        on(update_on(dataclasses.replace(config, **change), learner, rollout), 0)
        for change in ({}, {"num_epochs": 2, "num_minibatches": 4})
    )
    assert whole["actor/approx_kl"] > 1e-4
    assert whole["actor/grad_norm"] < parts["actor/grad_norm"]  # a part's gradient is noisier
    del whole["actor/grad_norm"], parts["actor/grad_norm"]
    assert_close(parts, whole, rtol=1e-4, atol=1e-6)


def test_another_key_is_another_order_and_each_epoch_has_its_own_key(
    config, learner, act, update_on
):
    rollout, found = act(config, learner.policy, KEY), {}
    for seed, num_epochs in ((1, 1), (2, 1), (1, 2)):
        shuffled = dataclasses.replace(config, num_epochs=num_epochs, num_minibatches=4)
        begun = learner.replace(key=jax.random.key(seed))
        found[seed, num_epochs] = on(update_on(shuffled, begun, rollout), 0)[0]
    assert how_far(found[1, 1], found[2, 1]) > 4e-4
    keys = [numbers(found[1, epochs]).key.tolist() for epochs in (1, 2)]
    assert len({tuple(key) for key in (*keys, [0, 1])}) == 3


def test_devices_do_not_shuffle_alike(config, learner, act, update_on):
    """Of the same environments on both: only in minibatches that differ is more to be seen."""
    rollout = act(config, learner.policy, KEY)
    twice = jax.tree.map(lambda x: jnp.concatenate([x, x], axis=1), rollout)
    for num_minibatches, alike in ((1, True), (4, False)):
        changed = dataclasses.replace(config, num_minibatches=num_minibatches)
        one, _ = on(update_on(changed, learner, rollout), 0)
        two, _ = on(update_on(changed, learner, twice, num_shards=2), 0)
        assert (how_far(one, two) < 4e-4) == alike  # rounding is 4e-5, four steps are 4e-3


def test_a_minibatch_keeps_each_sample_whole(config, shuffled, learner, act, update_on):
    """Rows torn apart would show as a policy that is not the one that acted."""
    learner = learner.replace(learning_rate=jnp.float32(0.0))
    rollout = act(config, learner.policy, KEY, num_envs=8)
    _, metrics = on(update_on(shuffled, learner, rollout, num_shards=2), 0)
    assert abs(metrics["actor/approx_kl"]) < 1e-6
    assert metrics["actor/value_clip_ratio"] == 0


# --- devices ------------------------------------------------------------------------------------


@pytest.fixture
def whole(config):
    """Three steps, each on everything: shuffling plays no part."""
    return dataclasses.replace(config, num_epochs=3, schedule="linear", learning_rate=0.01)


@pytest.fixture
def one_and_two(config, whole, learner, act, update_on):
    """The same environments on one device and on two."""
    learner = learner.replace(iteration=jnp.int32(3))
    rollout = act(config, learner.policy, KEY, num_envs=8)
    return tuple(update_on(whole, learner, rollout, num_shards=n) for n in (1, 2))


def numbers(learner):
    return learner.replace(key=jax.random.key_data(learner.key))


def test_two_devices_stay_identical(one_and_two):
    learners, metrics = one_and_two[1]
    first, second = on(numbers(learners), 0), on(numbers(learners), 1)
    jax.tree.map(np.testing.assert_array_equal, first, second)
    jax.tree.map(np.testing.assert_array_equal, on(metrics, 0), on(metrics, 1))


def test_two_devices_stay_identical_over_shuffled_minibatches(
    config, shuffled, learner, act, update_on
):
    rollout = act(config, learner.policy, KEY, num_envs=8)
    learners, _ = update_on(shuffled, learner, rollout, num_shards=2)
    learners = numbers(learners)
    jax.tree.map(np.testing.assert_array_equal, on(learners, 0), on(learners, 1))


def test_two_devices_learn_what_one_with_all_environments_learns(one_and_two):
    (single, _), (double, _) = one_and_two
    assert_close(on(numbers(double), 0), on(numbers(single), 0), rtol=1e-3, atol=1e-5)


def test_two_devices_report_what_one_with_all_environments_reports(one_and_two):
    (_, single), (_, double) = one_and_two
    assert_close(on(double, 0), on(single, 0), rtol=1e-3, atol=1e-5)


def test_the_linear_schedule_counts_iterations(one_and_two):
    for learners, metrics in one_and_two:  # 3 of 10 were done
        assert on(learners, 0).iteration == 4
        assert float(on(metrics, 0)["actor/lr"]) == pytest.approx(0.01 * 0.7)


def how_far(before, after):
    """Largest move of a parameter of the actor."""
    actors = [learner.policy.params["params"]["actor"] for learner in (before, after)]
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: np.abs(x - y).max(), *actors)))


@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_a_run_that_goes_on_moves_at_the_rate_of_its_new_configuration(
    config, learner, act, update_on, schedule
):
    """The first step of Adam moves each parameter by about the rate, whatever was stored."""
    rollout = act(config, learner.policy, KEY)
    config = dataclasses.replace(config, schedule=schedule, learning_rate=0.02)
    done = learner.replace(learning_rate=jnp.float32(0.0), iteration=jnp.int32(10))
    after, metrics = on(update_on(config, done, rollout, num_iterations=20), 0)
    expected = 0.02 * (0.5 if schedule == "linear" else 1.0)
    assert float(metrics["actor/lr"]) == pytest.approx(expected)
    assert how_far(done, after) == pytest.approx(expected, rel=0.05)


# --- the standard deviation ---------------------------------------------------------------------


def stds(learner):
    return np.exp(learner.policy.params["params"]["log_std"])


def test_a_large_entropy_bonus_cannot_drive_the_deviation_away_and_it_comes_back(
    config, learner, act, update_on
):
    config = dataclasses.replace(
        config, ent_coef=1.0, schedule="constant", learning_rate=0.2, num_epochs=4
    )
    rollout = act(config, learner.policy, KEY)
    for _ in range(6):
        learner, _ = on(update_on(config, learner, rollout), 0)
    np.testing.assert_allclose(stds(learner), [2.0, 2.0], rtol=1e-5)
    config = dataclasses.replace(config, ent_coef=-1.0)  # a bonus for as little noise as there is
    widths = []
    for _ in range(20):
        learner, _ = on(update_on(config, learner, rollout), 0)
        widths.append(stds(learner).max())
    assert widths[4] < 1.0
    np.testing.assert_allclose(stds(learner), [0.01, 0.01], rtol=1e-5)
    assert all_finite(learner.policy)


def test_a_deviation_within_its_bounds_is_left_to_the_gradient(config, learner, act, update_on):
    wide, narrow = (
        dataclasses.replace(config, std_range=bounds) for bounds in ((1e-9, 1e9), (0.01, 2.0))
    )
    rollout = act(config, learner.policy, KEY)
    free, bound = (on(update_on(c, learner, rollout), 0)[0] for c in (wide, narrow))
    jax.tree.map(np.testing.assert_array_equal, numbers(free), numbers(bound))


# --- numbers that are not finite ----------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_any_number_of_a_learner_that_is_not_finite_is_found(learner, value):
    check = jax.jit(is_finite)
    assert bool(check(learner))
    leaves, tree = jax.tree.flatten(learner)
    floats = [i for i, x in enumerate(leaves) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert len(floats) == 3 * 9 + 6 + 1  # parameters and Adam's two moments, normalisers, rate
    for index in floats:
        spoilt = list(leaves)
        spoilt[index] = spoilt[index].at[(-1,) * spoilt[index].ndim].set(value)
        assert not bool(check(jax.tree.unflatten(tree, spoilt))), index


def spoiled(rollout, field, value):
    def spoil(leaf):
        return leaf.at[1, 2].set(value)

    if field in rollout.records:
        return rollout.replace(records=rollout.records | {field: spoil(rollout.records[field])})
    return rollout.replace(**{field: jax.tree.map(spoil, getattr(rollout, field))})


def test_a_gradient_that_is_not_finite_changes_neither_policy_nor_optimizer(
    config, network, learner, act, update_on
):
    learner, _ = on(update_on(config, learner, act(config, learner.policy, KEY)), 0)
    rollout = act(config, learner.policy, jax.random.key(12))
    bad = spoiled(rollout, "log_prob", np.nan)
    after, metrics = on(update_on(config, learner, bad), 0)
    assert np.isnan(metrics["actor/grad_norm"])
    assert_close(
        after.policy.params["params"]["actor"], learner.policy.params["params"]["actor"], 0, 0
    )
    assert_close(after.opt_state, learner.opt_state, 0, 0)
    policy = after.policy.replace(obs_moments=learner.policy.obs_moments)
    found = predict_value(network, policy, rollout.obs)
    np.testing.assert_allclose(found, rollout.records["value"], rtol=1e-4, atol=1e-4)
    expected = learner.learning_rate / 1.5
    assert float(after.learning_rate) == pytest.approx(float(expected), rel=1e-5)


def test_a_bad_sample_on_one_device_stops_the_step_on_both(config, whole, learner, act, update_on):
    rollout = spoiled(act(config, learner.policy, KEY, num_envs=8), "log_prob", np.nan)
    learners, _ = update_on(whole, learner, rollout, num_shards=2)
    for shard in (0, 1):
        actor = on(learners, shard).policy.params["params"]["actor"]
        assert_close(actor, learner.policy.params["params"]["actor"], 0, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("field", ["reward", "value", "next_value", "obs"])
def test_one_bad_number_leaves_a_learner_that_can_go_on(
    config, learner, act, update_on, field, value
):
    rollout = act(config, learner.policy, KEY)
    rollout = rollout.replace(terminated=jnp.zeros_like(rollout.terminated))
    bad, _ = on(update_on(config, learner, spoiled(rollout, field, value)), 0)
    assert all_finite(bad.policy)
    good, metrics = on(update_on(config, bad, rollout), 0)
    assert all_finite((good.policy, metrics))


# --- learning -----------------------------------------------------------------------------------


def bandit(config, policy, key):
    """Episodes of one step: the reward is highest where the action is half the observation."""
    network = make_network(config, 1)
    obs_key, act_key = jax.random.split(key)
    obs = {"policy": jax.random.normal(obs_key, (config.num_steps, 32, 1))}
    action, log_prob = choose_action(network, policy, obs, act_key)
    reward = 5.0 - jnp.sum((action - 0.5 * obs["policy"] - 0.3) ** 2, axis=-1)
    return Rollout(
        obs=obs,
        action=action,
        records={
            "log_prob": log_prob,
            "value": predict_value(network, policy, obs),
            "next_value": jnp.full_like(reward, 1e3),  # must not count
        },
        reward=reward,
        terminated=jnp.ones_like(reward, dtype=bool),
        truncated=jnp.zeros_like(reward, dtype=bool),
    )


@pytest.fixture(scope="module")
def bandit_config():
    return PPOConfig(
        hidden_sizes=(8,), num_steps=4, num_epochs=4, num_minibatches=2, learning_rate=3e-3
    )


def play_bandit(config, update_on, seed, spoil=lambda rollout, number: rollout):
    """80 updates; the learner after them and the mean return of each."""
    learner = init_learner(config, {"policy": 1}, 1, jax.random.key(0))
    play = jax.jit(functools.partial(bandit, config))
    history = []
    for number, key in enumerate(jax.random.split(jax.random.key(seed), 80)):
        rollout = spoil(play(learner.policy, key), number)
        learner, metrics = on(update_on(config, learner, rollout, num_iterations=80), 0)
        history.append(float(metrics["rollout/returns_mean"]))
    return learner, history


def assert_bandit_solved(config, learner, mean_return):
    network, obs = make_network(config, 1), jnp.linspace(-1.5, 1.5, 7)[:, None]
    error = best_action(network, learner.policy, {"policy": obs}) - (0.5 * obs + 0.3)
    assert np.abs(error).max() < 0.2
    values = predict_value(network, learner.policy, {"policy": obs})
    np.testing.assert_allclose(values, mean_return, atol=0.3)


def test_the_policy_moves_to_the_best_action_and_the_critic_to_its_value(bandit_config, update_on):
    learner, history = play_bandit(bandit_config, update_on, seed=1)
    early, late = np.mean(history[:5]), np.mean(history[-5:])
    assert late > early + 0.5 * (5.0 - early)
    assert_bandit_solved(bandit_config, learner, late)


@pytest.mark.parametrize("value", [1e15, -1e30, np.inf, np.nan])
@pytest.mark.parametrize("field", ["reward", "obs"])
def test_one_wild_number_early_in_training_is_got_over(bandit_config, update_on, field, value):
    """In the first update and in the fourth; the rest of training must not be blind or deaf."""

    def spoil(rollout, number):
        return spoiled(rollout, field, value) if number in (0, 3) else rollout

    learner, history = play_bandit(bandit_config, update_on, 1, spoil)
    assert_bandit_solved(bandit_config, learner, np.mean(history[-5:]))


@pytest.mark.parametrize("value", [1e15, -1e30, np.inf, np.nan])
def test_one_wild_reward_leaves_the_other_samples_their_say(config, learner, act, update_on, value):
    """The step goes where it goes without that environment's episode, but for a bounded part."""
    rollout = act(config, learner.policy, KEY, num_envs=256)
    rollout = rollout.replace(terminated=jnp.ones_like(rollout.terminated))
    sound, _ = on(update_on(config, learner, rollout), 0)
    wild, _ = on(update_on(config, learner, spoiled(rollout, "reward", value)), 0)
    steps = [
        np.concatenate([np.ravel(x) for x in jax.tree.leaves(jax.tree.map(jnp.subtract, a, b))])
        for a, b in (
            (one.policy.params["params"]["actor"], learner.policy.params["params"]["actor"])
            for one in (sound, wild)
        )
    ]
    agreement = np.dot(*steps) / np.prod([np.linalg.norm(step) for step in steps])
    assert agreement > (0.99 if np.isnan(value) else 0.3)
    spreads = [float(jnp.sqrt(one.policy.value_moments.var)) for one in (sound, wild)]
    assert 0.9 < spreads[1] / spreads[0] < 5.0
