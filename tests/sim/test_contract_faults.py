"""The contract: a scene that blows up shows it, harms no other, and is as new after a write."""

import jax
import numpy as np
import pytest


@pytest.fixture
def four(lab, world):
    """Four scenes in which all moves, the state they begin with, and the controls that hold it."""
    sim = lab.shared(4, world.size)
    start = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf]), world.thrown(0.3))
    lab.put(sim, start)
    return sim, start, lab.hold(sim, start)


def poison(state, name: str, value: float):
    """`state` with one number of the field `name` replaced in scene 1."""
    free = state.bodies.get("screws", state.robot)
    of_robot = name.startswith("joint") or free is state.robot
    field = name if name.startswith("joint") or not of_robot else f"base_{name}"
    leaf = getattr(state.robot if of_robot else free, field).copy()
    leaf[(1, *[0] * (leaf.ndim - 1))] = value
    change = {field: leaf}
    return state.with_robot(**change) if of_robot else state.with_bodies("screws", **change)


def rows(state, which):
    return jax.tree.map(lambda leaf: leaf[which], state)


def finite(state) -> np.ndarray:
    leaves = jax.tree.leaves(state)
    return np.all([np.isfinite(leaf).reshape(len(leaf), -1).all(1) for leaf in leaves], axis=0)


LEAVES = ["joint_pos", "joint_vel", "pos_w", "quat_w", "linvel_w"]
"""Of the robot's joints, and of what moves freely: the bodies or the base."""


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", LEAVES)
def test_a_broken_scene_shows_non_finite_values(lab, four, name, value):
    sim, start, hold = four
    lab.put(sim, poison(start, name, value), rows=[1])
    state = lab.run(sim, hold, 2)[-1]
    np.testing.assert_array_equal(finite(state), [True, False, True, True])


def test_a_runaway_scene_shows_huge_or_non_finite_values(lab, four):
    sim, start, hold = four
    lab.put(sim, poison(start, "linvel_w", 1e12), rows=[1])
    state = lab.run(sim, hold, 1)[-1]
    free = state.bodies.get("screws")
    linvel = state.robot.base_linvel_w if free is None else free.linvel_w
    speed = np.abs(linvel[1]).max()
    assert speed > 20 or not finite(state)[1]


def test_a_broken_scene_does_not_touch_its_neighbours(lab, world, four):
    sim, start, hold = four
    targets = hold + np.float32(world.push)
    if not sim.spec.deterministic:
        pytest.skip("compared bit by bit")
    healthy = lab.run(sim, targets, 4)[-1]
    lab.put(sim, poison(start, "pos_w", np.nan))
    others = [0, 2, 3]
    broken = lab.run(sim, targets, 4)[-1]
    jax.tree.map(np.testing.assert_array_equal, rows(broken, others), rows(healthy, others))


@pytest.mark.slow
@pytest.mark.parametrize("fault", [np.nan, 1e12, None], ids=["nan", "runaway", "healthy"])
def test_a_rewritten_scene_evolves_as_in_a_fresh_simulator(lab, world, four, fault):
    """Bit by bit: nothing of the past remains, the solver's warm start included."""
    sim, start, hold = four
    if not sim.spec.deterministic:
        pytest.skip("compared bit by bit")
    targets = hold + np.float32(world.push)
    if fault is not None:
        lab.put(sim, poison(start, "linvel_w", fault), rows=[1])
    lab.run(sim, targets, 4)
    lab.put(sim, start)
    fresh = lab.make_another(4, world.size)
    lab.put(fresh, start)
    old, new = lab.run(sim, targets, 6), lab.run(fresh, targets, 6)
    fresh.close()
    for was, should in zip(old, new, strict=True):
        jax.tree.map(np.testing.assert_array_equal, was, should)
