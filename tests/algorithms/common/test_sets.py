"""Observations with a set: how they are taken apart, against numpy loops in double precision."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.common.set_encoder import SetEncoder, SetEncoderConfig
from screwpush_jax.algorithms.common.sets import split
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig

G, B, F = 4, 3, 5
KINDS = ("pooling", "attention")


def layout(start=G, num_members=B):
    return SimpleNamespace(start=start, num_members=num_members, size=F + 1)


def rows(there, seed=0):
    """Observations `[n, G + B (F + 1)]` whose members are there as `there [n, B]` says."""
    rng = np.random.default_rng(seed)
    members = rng.normal(size=(*there.shape, F + 1))
    members[..., 0] = there
    rest = rng.normal(size=(len(there), G))
    return np.concatenate([rest, members.reshape(len(there), -1)], axis=1).astype(np.float32)


def encoder(kind):
    return SetEncoder(SetEncoderConfig(kind=kind, hidden_sizes=(8, 6), num_heads=2))


def shaken(params):
    """Parameters with biases that are not zero."""
    return jax.tree.map(lambda x: x + 0.1, params)


@functools.cache
def started(kind):
    blank = jnp.zeros((1, G)), jnp.zeros((1, B, F))
    return shaken(jax.jit(encoder(kind).init)(jax.random.key(1), *blank))


@functools.partial(jax.jit, static_argnums=0)
def encoded(kind, params, obs):
    parts = split({"policy": layout()}, {"policy": obs})
    return encoder(kind).apply(params, parts["policy"], parts["policy.members"])


def encode(kind, params, obs):
    return np.asarray(encoded(kind, params, jnp.asarray(obs)))


def test_a_set_amid_a_row_is_cut_out_of_it_and_empty_places_are_no_numbers():
    row = np.arange(2 * (3 + 2 * 3), dtype=np.float32).reshape(2, 9)
    row[:, [2, 5]] = [[1, 0], [0, 1]]
    sets = {"critic": SimpleNamespace(start=2, num_members=2, size=3)}
    parts = split(sets, {"policy": jnp.asarray(row), "critic": jnp.asarray(row)})
    np.testing.assert_array_equal(parts["policy"], row)
    np.testing.assert_array_equal(parts["critic"], row[:, [0, 1, 8]])
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(parts["critic.members"], [[[3, 4], nan], [nan, [15, 16]]])
    assert parts.keys() == {"policy", "critic", "critic.members"}


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def dense(layer, x):
    return x @ layer["kernel"] + layer.get("bias", 0.0)


def by_hand(kind, params, row):
    """One observation, member by member; only those that are there."""
    net = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)["params"]
    row = np.asarray(row, np.float64)
    rest, members = row[:G], row[G:].reshape(B, F + 1)
    x = []
    for member in members:
        if member[0]:
            one = elu(dense(net["of_member"], member[1:]) + dense(net["of_rest"], rest))
            x.append(elu(dense(net["layer1"], one)))
    if kind == "attention":
        looks, out, width = net["attention"], [], len(x[0]) // 2
        for member in x:
            seen = []
            for head in (slice(0, width), slice(width, 2 * width)):
                query = dense(looks["query"], member)[head]
                scores = [query @ dense(looks["key"], o)[head] / np.sqrt(width) for o in x]
                share = np.exp(scores) / np.sum(np.exp(scores))
                values = [dense(looks["value"], o)[head] for o in x]
                seen.append(sum(s * v for s, v in zip(share, values, strict=True)))
            out.append(elu(member + dense(looks["out"], np.concatenate(seen))))
        x = out
    return np.concatenate([rest, np.mean(x, axis=0), np.max(x, axis=0)])


THERE = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0]])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_encoder_equals_a_loop_over_the_members_that_are_there(kind):
    params, obs = started(kind), rows(THERE)
    want = np.array([by_hand(kind, params, row) for row in obs])
    np.testing.assert_allclose(encode(kind, params, obs), want, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_an_empty_place_has_no_say_and_gradients_stay_finite(kind):
    params, obs = started(kind), rows(THERE)
    other = obs.copy()
    other[:, G:].reshape(-1, B, F + 1)[THERE == 0, 1:] = 1e30
    np.testing.assert_array_equal(encode(kind, params, obs), encode(kind, params, other))

    loss = jax.jit(jax.grad(lambda p: jnp.sum(encoded(kind, p, jnp.asarray(other)))))
    grads = jax.tree.leaves(loss(params))
    assert all(np.isfinite(g).all() and np.any(g) for g in grads if g.ndim > 1)


@pytest.fixture(params=KINDS)
def make(request):
    """`number of members -> PPO` with a set."""

    def algorithm(num_members=B):
        encoder = SetEncoderConfig(kind=request.param, hidden_sizes=(8, 6), num_heads=2)
        config = PPOConfig(hidden_sizes=(7,), set_encoder=encoder)
        sizes = {"policy": G + num_members * (F + 1)}
        return PPO(config, sizes, 2, {"policy": layout(num_members=num_members)})

    return algorithm


@pytest.mark.slow
def test_shuffled_members_give_the_same_action_value_and_density(make):
    algorithm, obs = make(), rows(THERE)
    policy = jax.jit(lambda key: algorithm.init(key).policy)(jax.random.key(0))
    policy = policy.replace(params=shaken(policy.params))
    members = obs[:, G:].reshape(-1, B, F + 1)[:, [2, 0, 1]]
    other = np.concatenate([obs[:, :G], members.reshape(len(obs), -1)], axis=1)

    @jax.jit
    def act(obs):
        decision = algorithm.act(policy, (), {"policy": obs}, jax.random.key(2))
        return decision.action, decision.records

    for one, two in zip(jax.tree.leaves(act(obs)), jax.tree.leaves(act(other)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    assert np.ptp(act(obs)[1]["value"]) > 1e-3, "what is seen has a say"


@pytest.mark.slow
def test_weights_and_moments_do_not_know_how_many_members_there_are(make):
    shapes = [
        jax.tree.map(jnp.shape, jax.eval_shape(make(number).init, jax.random.key(0)))
        for number in (2, 3, 8)
    ]
    assert shapes[0] == shapes[1] == shapes[2]
    moments = shapes[0].policy.obs_moments
    assert {name: one.mean for name, one in moments.items()} == {
        "policy": (G,),
        "policy.members": (F,),
    }


@pytest.mark.heavy  # the oracle leaves places empty, too
def test_a_member_that_is_not_there_acts_as_a_smaller_set_does(make):
    few, many = make(2), make(3)
    policy = jax.jit(lambda key: few.init(key).policy)(jax.random.key(0))
    policy = policy.replace(params=shaken(policy.params))
    obs = rows(np.array([[1, 1, 0], [1, 1, 0]]))
    small = {"policy": jnp.asarray(obs[:, : G + 2 * (F + 1)])}
    action = [
        jax.jit(lambda o, a=a: a.act_best(policy, (), o)[0])(o)
        for a, o in ((few, small), (many, {"policy": jnp.asarray(obs)}))
    ]
    np.testing.assert_allclose(action[0], action[1], rtol=1e-5, atol=1e-6)
