"""How episodes end: a hand-made state for each clause."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

APART = np.array([[-0.85, -0.1, 0.007], [-0.65, -0.1, 0.007], [-0.75, 0.1, 0.007]])


@pytest.fixture(scope="module")
def task(make_task):
    return make_task(horizon=10)


@pytest.fixture
def stepped(task, state_at, memory_of, step):
    """`(screws, linvel, invalid, **memory) -> (result, memory after)` of one environment."""

    def of(screws, linvel=0.0, invalid=False, **memory):
        state = state_at([screws], linvel)
        before = dataclasses.replace(memory_of(task, state.joint_pos_rad), **memory)
        return step(task, before, state, jnp.array([invalid]))

    return of


def moved(row: int, **to) -> np.ndarray:
    screws = APART.copy()
    for axis, value in to.items():
        screws[row, "xyz".index(axis)] = value
    return screws


@pytest.mark.parametrize(
    ("screws", "speed", "held"),
    [
        (APART, 0.0, True),
        (moved(1, x=-0.698), 0.0, True),  # 0.152 from the first
        (moved(1, x=-0.702), 0.0, False),  # 0.148: too close
        (moved(2, x=-0.401), 0.0, True),
        (moved(2, x=-0.399), 0.0, False),  # outside
        (moved(2, y=0.351), 0.0, False),
        (moved(0, y=-0.351), 0.0, False),
        (moved(2, z=0.049), 0.0, True),
        (moved(2, z=0.051), 0.0, False),  # stands on something
        (APART, 0.049, True),
        (APART, 0.051, False),  # moves
    ],
)
def test_success_needs_screws_apart_inside_low_and_at_rest(stepped, screws, speed, held):
    linvel = np.zeros((1, 3, 3))
    linvel[0, 1] = speed * np.array([0.6, 0.0, -0.8])
    _, memory = stepped(screws, linvel)
    assert int(memory.held[0]) == (1 if held else 0)


def test_apart_is_measured_in_three_dimensions(stepped):
    """0.148 apart on the table, but one lies 0.04 higher: 0.153 apart."""
    assert stepped(moved(1, x=-0.702, z=0.047))[1].held[0] == 1


def test_success_is_five_steps_in_a_row(stepped):
    held, flags = jnp.zeros(1, jnp.int32), []
    for _ in range(5):
        result, memory = stepped(APART, held=held)
        held = memory.held
        flags.append((bool(result.metrics["success_once"][0]), bool(result.terminated[0])))
    assert flags == [(False, False)] * 4 + [(True, True)]
    assert float(result.terms["success"][0]) == 10.0
    assert float(result.terms["holding"][0]) == pytest.approx(0.05)


def test_one_bad_step_starts_the_count_anew(stepped):
    _, memory = stepped(moved(1, x=-0.8), held=jnp.array([4], jnp.int32))
    assert int(memory.held[0]) == 0
    result, memory = stepped(APART, held=memory.held)
    assert (int(memory.held[0]), bool(result.metrics["success_once"][0])) == (1, False)


@pytest.mark.parametrize(
    "screws",
    [
        moved(0, x=-1.101),
        moved(1, x=-0.399),
        moved(2, y=0.351),
        moved(0, y=-0.351),
        moved(2, z=-0.06),
    ],
    ids=["far", "near", "left", "right", "fallen"],
)
def test_a_screw_that_leaves_or_falls_ends_the_episode(stepped, screws):
    result, _ = stepped(screws, held=jnp.array([4], jnp.int32))
    assert bool(result.metrics["out_of_area"][0])
    assert bool(result.terminated[0])
    assert not bool(result.metrics["success_once"][0])
    assert float(result.terms["failure"][0]) == -10.0


@pytest.mark.parametrize(
    "screws", [APART, moved(0, x=-1.099), moved(2, y=0.349), moved(2, z=-0.04), moved(0, z=0.3)]
)
def test_a_screw_inside_does_not_end_the_episode(stepped, screws):
    result, _ = stepped(screws)
    assert not bool(result.metrics["out_of_area"][0] | result.terminated[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "leaf",
    [
        "joint_pos_rad",
        "joint_vel",
        "screw_pos_w",
        "screw_quat_w",
        "screw_linvel_w",
        "screw_angvel_w",
    ],
)
def test_a_value_that_is_not_finite_is_invalid(task, state_at, leaf, value):
    state = state_at(np.stack([APART, APART]))
    broken = np.array(getattr(state, leaf))
    broken[(1, *[-1] * (broken.ndim - 1))] = value
    state = dataclasses.replace(state, **{leaf: jnp.asarray(broken)})
    np.testing.assert_array_equal(task.is_invalid(state), [False, True])


@pytest.mark.parametrize(("speed", "invalid"), [(19.9, False), (20.1, True), (1e30, True)])
def test_a_runaway_screw_is_invalid(task, state_at, speed, invalid):
    linvel = np.zeros((1, 3, 3))
    linvel[0, 2, 1] = -speed
    assert bool(task.is_invalid(state_at([APART], linvel))[0]) == invalid


def test_an_invalid_step_ends_the_episode_without_any_reward(stepped):
    """Whatever stands in its place: here a state that would be out, or a success."""
    for screws in (moved(0, x=-1.2), APART):
        result, _ = stepped(screws, invalid=True, held=jnp.array([4], jnp.int32))
        assert bool(result.terminated[0])
        assert not any(bool(value[0]) for value in result.metrics.values())
        assert float(result.reward[0]) == 0.0
        assert {float(term[0]) for term in result.terms.values()} == {0.0}
