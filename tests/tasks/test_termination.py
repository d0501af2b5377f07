"""How episodes end: a hand-made state for each clause."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.tasks.screws.termination import is_out
from screwpush_jax.tasks.separate.termination import is_separated

APART = np.array([[-0.85, -0.1, 0.007], [-0.65, -0.1, 0.007], [-0.75, 0.1, 0.007]])


@pytest.fixture(scope="module")
def task(make_task):
    return make_task(horizon=10)


@pytest.fixture
def stepped(task, state_at, memory_of, step):
    """`(screws, linvel, invalid, **memory) -> (result, memory after)` of one environment."""

    def of(screws, linvel=0.0, invalid=False, **memory):
        state = state_at([screws], linvel)
        before = dataclasses.replace(memory_of(task, state.robot.joint_pos), **memory)
        return step(task, before, state, jnp.array([invalid]))

    return of


def moved(row: int, **to) -> np.ndarray:
    screws = APART.copy()
    for axis, value in to.items():
        screws[row, "xyz".index(axis)] = value
    return screws


JUST_BELOW, JUST_ABOVE = 1 - 1e-3, 1 + 1e-3
SIDES = {"far": ("x", -1.1), "near": ("x", -0.4), "left": ("y", 0.35), "right": ("y", -0.35)}
"""Borders of the work area."""


def beyond(side: str, screw: int, part: float) -> np.ndarray:
    """`APART` with a screw at `part` of the way from the centre to a side, far from the others."""
    axis, border = SIDES[side]
    center = {"x": -0.75, "y": 0.0}[axis]
    screws = APART.copy()
    others = [row for row in range(3) if row != screw]
    along, across = ("x", "y") if axis == "x" else ("y", "x")
    inward = -np.sign(border - center)
    for row, shift in zip(others, (-0.1, 0.1), strict=True):
        screws[row, "xyz".index(along)] = center + 0.1 * inward
        screws[row, "xyz".index(across)] = {"x": -0.75, "y": 0.0}[across] + shift
    screws[screw, "xyz".index(along)] = center + part * (border - center)
    screws[screw, "xyz".index(across)] = {"x": -0.75, "y": 0.0}[across]
    return screws


def triangle(*sides: float) -> np.ndarray:
    """Three screws on the table whose pairs 01, 02, 12 are `sides` apart."""
    a, b, c = sides
    x = (a**2 + b**2 - c**2) / (2 * a)
    points = [[0, 0, 0.007], [a, 0, 0.007], [x, np.sqrt(b**2 - x**2), 0.007]]
    return np.array(points) - [0.8, 0.1, 0.0]


def is_held(stepped, screws, linvel=0.0) -> bool:
    return int(stepped(screws, linvel)[1].held[0]) == 1


@pytest.mark.slow
def test_success_needs_nothing_but_what_is_asked(stepped):
    assert is_held(stepped, APART)


@pytest.mark.parametrize("pair", [0, 1, 2])
def test_success_needs_each_pair_apart(stepped, pair):
    for factor, held in ((JUST_BELOW, False), (JUST_ABOVE, True)):
        sides = [0.2, 0.2, 0.2]
        sides[pair] = 0.15 * factor
        assert is_held(stepped, triangle(*sides)) == held


@pytest.mark.parametrize("screw", [0, 1, 2])
@pytest.mark.parametrize(
    "direction", [(1, 0, 0), (0, -1, 0), (0, 0, 1), (0.6, 0, -0.8), (0.48, 0.6, 0.64)]
)
def test_success_needs_each_screw_at_rest(stepped, screw, direction):
    for factor, held in ((JUST_BELOW, True), (JUST_ABOVE, False)):
        linvel = np.zeros((1, 3, 3))
        linvel[0, screw] = 0.05 * factor * np.array(direction)
        assert is_held(stepped, APART, linvel) == held


@pytest.mark.parametrize("screw", [0, 1, 2])
def test_success_needs_each_screw_on_the_table(stepped, screw):
    for factor, held in ((JUST_BELOW, True), (JUST_ABOVE, False)):
        assert is_held(stepped, moved(screw, z=0.05 * factor)) == held


@pytest.mark.parametrize("screw", [0, 1, 2])
@pytest.mark.parametrize("side", SIDES)
def test_success_needs_each_screw_in_the_area_and_a_screw_outside_ends_the_episode(
    stepped, side, screw
):
    for part, inside in ((JUST_BELOW, True), (JUST_ABOVE, False)):
        result, memory = stepped(beyond(side, screw, part))
        assert int(memory.held[0]) == inside
        assert bool(result.metrics["out_of_area"][0]) != inside


@pytest.mark.parametrize("screw", [0, 1, 2])
def test_each_screw_that_falls_ends_the_episode(stepped, screw):
    for factor, out in ((JUST_BELOW, False), (JUST_ABOVE, True)):
        result, _ = stepped(moved(screw, z=-0.05 * factor))
        assert bool(result.metrics["out_of_area"][0]) == out
        assert bool(result.terminated[0]) == out


@pytest.mark.slow
@pytest.mark.parametrize("screws", [2, 5, 8])
def test_the_last_of_any_number_of_screws_counts_like_the_others(make_task, state_at, screws):
    """On a grid of 0.16; then the last one, or the last pair, breaks each clause."""
    config = make_task(num_screws=screws).config
    grid = np.stack(np.meshgrid(range(3), range(3)), -1).reshape(-1, 2)[:screws]
    pos = np.concatenate([[-0.9, -0.15] + 0.16 * grid, np.full((screws, 1), 0.007)], axis=1)

    def one(pos, linvel=0.0):
        return jax.tree.map(lambda leaf: leaf[0], state_at([pos], linvel))

    assert is_separated(config, one(pos))
    near, high, outside, fast = pos.copy(), pos.copy(), pos.copy(), np.zeros((1, screws, 3))
    near[-1] = pos[-2] + [0.0, 0.15 * JUST_BELOW, 0.0]
    high[-1, 2], outside[-1, 0], fast[0, -1, 1] = 0.0501, -0.3999, 0.0501
    assert not is_separated(config, one(near))
    assert not is_separated(config, one(high))
    assert not is_separated(config, one(pos, fast))
    assert is_out(config, one(outside))
    assert not is_separated(config, one(outside))


def test_apart_is_measured_in_three_dimensions(stepped):
    """0.145 apart on the table, and one lies higher: by 0.04 it is 0.1504 apart, by 0.038 0.1499."""
    assert stepped(moved(1, x=-0.705, z=0.047))[1].held[0] == 1
    assert stepped(moved(1, x=-0.705, z=0.045))[1].held[0] == 0


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


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "leaf",
    ["robot.joint_pos", "robot.joint_vel", "pos_w", "quat_w", "linvel_w", "angvel_w"],
)
def test_a_value_that_is_not_finite_is_invalid(task, state_at, leaf, value):
    state = state_at(np.stack([APART, APART]))
    part, _, name = leaf.rpartition(".")
    broken = np.array(getattr(state.robot if part else state.bodies["screws"], name))
    broken[(1, *[-1] * (broken.ndim - 1))] = value
    change = {name: jnp.asarray(broken)}
    state = state.with_robot(**change) if part else state.with_bodies("screws", **change)
    np.testing.assert_array_equal(task.is_invalid(state), [False, True])


@pytest.mark.slow
@pytest.mark.parametrize("screw", [0, 1, 2])
@pytest.mark.parametrize("direction", [(1, 0, 0), (0, -1, 0), (0, 0.6, 0.8)])
def test_each_runaway_screw_is_invalid(task, state_at, screw, direction):
    for speed, invalid in ((20 * JUST_BELOW, False), (20 * JUST_ABOVE, True), (1e30, True)):
        linvel = np.zeros((1, 3, 3))
        linvel[0, screw] = speed * np.array(direction)
        assert bool(task.is_invalid(state_at([APART], linvel))[0]) == invalid


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leaf", "most"),
    [
        ("joint_pos", 100.0),
        ("joint_vel", 1e4),
        ("angvel_w", 1e4),
        ("quat_w", np.sqrt(1.5)),
    ],
)
@pytest.mark.parametrize("factor", [JUST_BELOW, JUST_ABOVE, 1e6, 1e30])
def test_any_number_beyond_all_reason_is_invalid(task, state_at, leaf, most, factor):
    """Each entry alone, of either sign, so that no finite number reaches an observation unbounded."""
    state = state_at([APART])
    of_robot = leaf.startswith("joint")
    plain = np.array(getattr(state.robot if of_robot else state.bodies["screws"], leaf))
    entries = np.eye(plain[0].size).reshape(-1, *plain.shape[1:]) * most * factor
    many = np.concatenate([entries, -entries])
    if leaf == "quat_w":  # all other screws keep theirs
        many = np.where(np.abs(many).max(-1, keepdims=True) > 0, many, plain)
    states = jax.tree.map(lambda x: jnp.repeat(x, len(many), axis=0), state)
    changed = {leaf: jnp.asarray(many, jnp.float32)}
    states = states.with_robot(**changed) if of_robot else states.with_bodies("screws", **changed)
    np.testing.assert_array_equal(task.is_invalid(states), [factor > 1] * len(many))


@pytest.mark.parametrize("screw", [0, 1, 2])
def test_a_screw_without_orientation_or_out_of_sight_is_invalid(task, state_at, screw):
    state = state_at([APART])
    quat = np.array(state.bodies["screws"].quat_w)
    quat[0, screw] = 0.0
    none = state.with_bodies("screws", quat_w=jnp.asarray(quat))
    assert bool(task.is_invalid(none)[0])
    for axis in "xyz":
        for where, invalid in ((15.0, False), (-15.0, False), (22.0, True), (-1e15, True)):
            assert bool(task.is_invalid(state_at([moved(screw, **{axis: where})]))[0]) == invalid


def test_an_invalid_step_ends_the_episode_without_any_reward(stepped):
    """Whatever stands in its place: here a state that would be out, or a success."""
    for screws in (moved(0, x=-1.2), APART):
        result, _ = stepped(screws, invalid=True, held=jnp.array([4], jnp.int32))
        assert bool(result.terminated[0])
        assert not any(bool(value[0]) for value in result.metrics.values())
        assert float(result.reward[0]) == 0.0
        assert {float(term[0]) for term in result.terms.values()} == {0.0}
