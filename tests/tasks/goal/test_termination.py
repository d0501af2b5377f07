"""How episodes of `goal` end: a hand-made state for each clause, each just inside and just outside."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

IN_GOAL = np.array([[-0.6, 0.0, 0.007], [-0.85, -0.1, 0.007], [-0.75, 0.1, 0.007]])
"""The marked screw in the middle of the disc, two others far from it."""
JUST_BELOW, JUST_ABOVE = 1 - 1e-3, 1 + 1e-3
SIDES = {"far": (0, -1.1), "near": (0, -0.4), "left": (1, 0.35), "right": (1, -0.35)}
"""Borders of the work area: axis and place."""


@pytest.fixture(scope="module")
def task(make_goal):
    return make_goal(horizon=10)


@pytest.fixture
def stepped(task, state_at, memory_of, step):
    """`(screws, linvel, invalid, **memory) -> (result, memory after)` of one environment."""

    def of(screws, linvel=0.0, invalid=False, **memory):
        state = state_at([screws], linvel)
        before = dataclasses.replace(memory_of(task, state.robot.joint_pos), **memory)
        return step(task, before, state, jnp.array([invalid]))

    return of


def moved(screw: int, **to) -> np.ndarray:
    screws = IN_GOAL.copy()
    for axis, value in to.items():
        screws[screw, "xyz".index(axis)] = value
    return screws


def is_held(stepped, screws, linvel=0.0) -> bool:
    return int(stepped(screws, linvel)[1].held[0]) == 1


@pytest.mark.slow
def test_success_needs_nothing_but_what_is_asked(stepped):
    assert is_held(stepped, IN_GOAL)


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1), (0.6, -0.8)])
def test_success_needs_the_marked_screw_s_centre_in_the_disc(stepped, direction):
    for factor, held in ((JUST_BELOW, True), (JUST_ABOVE, False)):
        x, y = np.array([-0.6, 0.0]) + 0.05 * factor * np.array(direction)
        assert is_held(stepped, moved(0, x=x, y=y)) == held


def test_another_screw_in_the_disc_does_not_count(stepped):
    assert not is_held(stepped, IN_GOAL[[1, 0, 2]])


def test_another_screw_in_the_disc_does_not_matter(stepped):
    assert is_held(stepped, moved(2, x=-0.61, y=0.02))


@pytest.mark.parametrize(
    "direction", [(1, 0, 0), (0, -1, 0), (0, 0, 1), (0.6, 0, -0.8), (0.48, 0.6, 0.64)]
)
def test_success_needs_the_marked_screw_at_rest(stepped, direction):
    for factor, held in ((JUST_BELOW, True), (JUST_ABOVE, False)):
        linvel = np.zeros((1, 3, 3))
        linvel[0, 0] = 0.05 * factor * np.array(direction)
        assert is_held(stepped, IN_GOAL, linvel) == held


def test_success_needs_the_marked_screw_on_the_table(stepped):
    for factor, held in ((JUST_BELOW, True), (JUST_ABOVE, False)):
        assert is_held(stepped, moved(0, z=0.05 * factor)) == held


@pytest.mark.parametrize("screw", [1, 2])
def test_the_others_may_move_and_lie_on_each_other(stepped, screw):
    linvel = np.zeros((1, 3, 3))
    linvel[0, screw] = 0.3
    assert is_held(stepped, moved(screw, z=0.06), linvel)


@pytest.mark.parametrize("screw", [0, 1, 2])
@pytest.mark.parametrize("side", SIDES)
def test_each_screw_that_leaves_the_area_ends_the_episode(stepped, side, screw):
    axis, border = SIDES[side]
    for part, inside in ((JUST_BELOW, True), (JUST_ABOVE, False)):
        screws = IN_GOAL.copy()
        screws[screw, axis] = (center := (-0.75, 0.0)[axis]) + part * (border - center)
        result, memory = stepped(screws, held=jnp.array([4], jnp.int32))
        assert bool(result.metrics["out_of_area"][0]) != inside
        succeeds = inside and screw != 0
        assert bool(result.metrics["success_once"][0]) == succeeds
        assert bool(result.terminated[0]) == (succeeds or not inside)
        assert float(result.terms["failure"][0]) == (0.0 if inside else -10.0)
        assert int(memory.held[0]) == (5 if succeeds else 0)


@pytest.mark.parametrize("screw", [0, 1, 2])
def test_each_screw_that_falls_ends_the_episode(stepped, screw):
    for factor, out in ((JUST_BELOW, False), (JUST_ABOVE, True)):
        result, _ = stepped(moved(screw, z=-0.05 * factor))
        assert bool(result.metrics["out_of_area"][0]) == out
        assert bool(result.terminated[0]) == out


def test_success_is_five_steps_in_a_row(stepped):
    held, flags = jnp.zeros(1, jnp.int32), []
    for _ in range(5):
        result, memory = stepped(IN_GOAL, held=held)
        held = memory.held
        flags.append((bool(result.metrics["success_once"][0]), bool(result.terminated[0])))
    assert flags == [(False, False)] * 4 + [(True, True)]
    assert float(result.terms["success"][0]) == 10.0
    assert float(result.terms["holding"][0]) == pytest.approx(0.05)


def test_one_bad_step_starts_the_count_anew(stepped):
    _, memory = stepped(moved(0, x=-0.66), held=jnp.array([4], jnp.int32))
    assert int(memory.held[0]) == 0
    result, memory = stepped(IN_GOAL, held=memory.held)
    assert (int(memory.held[0]), bool(result.metrics["success_once"][0])) == (1, False)


def test_an_invalid_step_ends_the_episode_without_any_reward(stepped):
    """Whatever stands in its place: here a state that would be out, or a success."""
    for screws in (moved(0, x=-1.2), IN_GOAL):
        result, _ = stepped(screws, invalid=True, held=jnp.array([4], jnp.int32))
        assert bool(result.terminated[0])
        assert not any(float(value[0]) for value in result.metrics.values())
        assert float(result.reward[0]) == 0.0
        assert {float(term[0]) for term in result.terms.values()} == {0.0}


def test_how_far_it_is_from_the_disc_s_centre_is_a_metric(stepped):
    result, _ = stepped(moved(0, x=-0.9, y=0.4, z=0.3))
    assert float(result.metrics["goal_distance_m"][0]) == pytest.approx(0.5, abs=1e-6)
