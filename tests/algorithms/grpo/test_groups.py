"""Advantages in groups: hand-worked rollouts, and random ones against a slow count in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.grpo.groups import find_outcomes, relative_returns

find = jax.jit(find_outcomes, static_argnums=3)


@pytest.mark.parametrize(
    ("returns", "expected", "deviation"),
    [
        ([1.0, 3.0], [-1.0, 1.0], 1.0),
        ([1.0, 2.0, 3.0, 4.0], [-1.341641, -0.447214, 0.447214, 1.341641], 1.118034),
        ([0.0, 0.0, 0.0, 10.0], [-0.577350, -0.577350, -0.577350, 1.732051], 4.330127),
        ([-5e3, -5e3 + 2.0], [-1.0, 1.0], 1.0),  # far from zero
    ],
)
def test_returns_count_in_deviations_from_the_groups_mean(returns, expected, deviation):
    relative, found = relative_returns(jnp.float32(returns))
    np.testing.assert_allclose(relative, expected, atol=1e-5)
    np.testing.assert_allclose(found, [deviation], rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 5.3, -1e7, 1e-30, 1 / 3])
@pytest.mark.parametrize("size", [2, 3, 7, 8])
def test_a_group_that_all_got_the_same_asks_for_nothing(value, size):
    """Exactly: the mean of equal float32 numbers is not always that number."""
    relative, deviation = relative_returns(jnp.full(size, value, jnp.float32))
    np.testing.assert_array_equal(relative, 0.0)
    assert float(deviation[0]) == 0.0


def columns(*texts):
    """`[T, N]` of texts, one an environment: `.` goes on, `E` ends, `-` waits."""
    letters = np.array([list(text) for text in texts]).T
    return jnp.asarray(letters != "-"), jnp.asarray(letters == "E")


def test_a_rollout_worked_out_by_hand():
    """Two groups of two. In the first one waits for the other, and the next episode is not done; the
    second ends twice, first with equal returns."""
    live, ended = columns(
        ".E---.",
        "....E.",
        "E.E---",
        "E....E",
    )
    return_ = jnp.float32(
        [
            [1.0, 3.0, 3.0, 3.0, 3.0, 9.0],
            [0.0, 0.0, 0.0, 0.0, 1.0, 9.0],
            [2.0, 1.0, 4.0, 4.0, 4.0, 4.0],
            [2.0, 1.0, 1.0, 1.0, 1.0, 8.0],
        ]
    ).T
    found = find(return_, live, ended, 2)
    np.testing.assert_allclose(
        found.advantages.T,
        [
            [1, 1, 0, 0, 0, 0],
            [-1, -1, -1, -1, -1, 0],
            [0, -1, -1, 0, 0, 0],
            [0, 1, 1, 1, 1, 1],
        ],
        atol=1e-5,
    )
    np.testing.assert_array_equal(
        found.counts.T,
        [
            [1, 1, 0, 0, 0, 0],
            [1, 1, 1, 1, 1, 0],
            [1, 1, 1, 0, 0, 0],
            [1, 1, 1, 1, 1, 1],
        ],
    )
    ends = [[0, 0, 0, 0, 1, 0]] * 2 + [[1, 0, 0, 0, 0, 1]] * 2
    np.testing.assert_array_equal(found.compared.T, ends)
    deviations = [[0, 0, 0, 0, 1, 0]] * 2 + [[0, 0, 0, 0, 0, 2]] * 2
    np.testing.assert_allclose(found.deviations.T, deviations, atol=1e-6)


def test_an_episode_that_began_in_an_earlier_rollout_counts_with_its_whole_return():
    live, ended = columns(".E", "E-")
    found = find(jnp.float32([[100.0, 101.0], [51.0, 51.0]]).T, live, ended, 2)
    np.testing.assert_allclose(found.advantages.T, [[1, 1], [-1, 0]], atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_group_with_a_return_that_is_no_number_does_not_count(value):
    live, ended = columns("E", "E", "E", "E")
    found = find(jnp.float32([[value, 1.0, 1.0, 3.0]]), live, ended, 2)
    np.testing.assert_allclose(found.advantages, [[0, 0, -1, 1]], atol=1e-5)
    np.testing.assert_array_equal(found.counts, [[False, False, True, True]])
    np.testing.assert_array_equal(found.compared, found.counts)
    np.testing.assert_allclose(found.deviations, [[0, 0, 1, 1]], atol=1e-6)


def play(rng, steps, groups, size):
    """Random episodes under the rule of groups: what each step shows, `[T, N]`, and the oracle's answer.

    Episodes go on from before the rollout and beyond it; `size` environments restart together.
    """
    shape = (steps, groups * size)
    live, ended = np.ones(shape, bool), np.zeros(shape, bool)
    return_, advantages, counts = np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
    for group in range(groups):
        mates, begun = range(group * size, (group + 1) * size), 0
        total = dict.fromkeys(mates, float(rng.normal()))  # from before the rollout
        over = dict.fromkeys(mates, False)
        for t in range(steps):
            for n in mates:
                live[t, n] = not over[n]
                if not over[n]:
                    total[n] += rng.normal()
                    ended[t, n] = over[n] = rng.uniform() < 0.25
                return_[t, n] = total[n]
            if all(over.values()):
                outcome = np.array([total[n] for n in mates])
                for n in mates:
                    for s in range(begun, t + 1):
                        if live[s, n]:
                            advantages[s, n] = (total[n] - outcome.mean()) / (outcome.std() + 1e-6)
                            counts[s, n] = True
                begun, total, over = t + 1, dict.fromkeys(mates, 0.0), dict.fromkeys(mates, False)
    return live, ended, return_, advantages, counts


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "size"), [(5, 2), (4, 3), (1, 8)])
def test_random_rollouts_are_what_a_slow_count_finds(groups, size):
    live, ended, return_, advantages, counts = play(np.random.default_rng(5), 60, groups, size)
    found = find(jnp.float32(return_), jnp.asarray(live), jnp.asarray(ended), size)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.advantages, advantages, atol=1e-3)
    assert 0 < counts.mean() < live.mean() < 1
