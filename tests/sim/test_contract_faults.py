"""The contract: a scene that blows up shows it, harms no other, and is as new after a write."""

import jax
import numpy as np
import pytest


@pytest.fixture
def four(lab, lying):
    """Four scenes in which the arm moves and screws slide, and the state they begin with."""
    sim = lab.shared(num_envs=4)
    start = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf]), lying)
    start = start.with_bodies("screws", linvel_w=np.full((4, 3, 3), 0.3, np.float32))
    lab.put(sim, start)
    return sim, start


def poison(state, name: str, value: float):
    part, _, field = name.rpartition(".")
    leaf = getattr(state.robot if part == "robot" else state.bodies[part], field).copy()
    leaf[(1, *[0] * (leaf.ndim - 1))] = value
    change = {field: leaf}
    return state.with_robot(**change) if part == "robot" else state.with_bodies(part, **change)


def rows(state, which):
    return jax.tree.map(lambda leaf: leaf[which], state)


def finite(state) -> np.ndarray:
    leaves = jax.tree.leaves(state)
    return np.all([np.isfinite(leaf).reshape(len(leaf), -1).all(1) for leaf in leaves], axis=0)


LEAVES = [
    *("robot.joint_pos", "robot.joint_vel"),
    *("screws.pos_w", "screws.quat_w", "screws.linvel_w"),
]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", LEAVES)
def test_a_broken_scene_shows_non_finite_values(lab, four, name, value):
    sim, start = four
    lab.put(sim, poison(start, name, value), rows=[1])
    state = lab.run(sim, start.robot.joint_pos, 2)[-1]
    np.testing.assert_array_equal(finite(state), [True, False, True, True])


def test_a_runaway_scene_shows_huge_or_non_finite_values(lab, four):
    sim, start = four
    lab.put(sim, poison(start, "screws.linvel_w", 1e12), rows=[1])
    state = lab.run(sim, start.robot.joint_pos, 1)[-1]
    speed = np.linalg.norm(state.bodies["screws"].linvel_w[1], axis=-1).max()
    assert speed > 20 or not finite(state)[1]


def test_a_broken_scene_does_not_touch_its_neighbours(lab, four):
    sim, start = four
    targets = start.robot.joint_pos + np.float32(0.1)
    if not sim.spec.deterministic:
        pytest.skip("compared bit by bit")
    healthy = lab.run(sim, targets, 4)[-1]
    lab.put(sim, poison(start, "screws.pos_w", np.nan))
    others = [0, 2, 3]
    broken = lab.run(sim, targets, 4)[-1]
    jax.tree.map(np.testing.assert_array_equal, rows(broken, others), rows(healthy, others))


@pytest.mark.parametrize("fault", [np.nan, 1e12, None], ids=["nan", "runaway", "healthy"])
def test_a_rewritten_scene_evolves_as_in_a_fresh_simulator(lab, four, fault):
    """Bit by bit: nothing of the past remains, the solver's warm start included."""
    sim, start = four
    if not sim.spec.deterministic:
        pytest.skip("compared bit by bit")
    targets = start.robot.joint_pos + np.float32(0.1)
    if fault is not None:
        lab.put(sim, poison(start, "screws.linvel_w", fault), rows=[1])
    lab.run(sim, targets, 4)
    lab.put(sim, start)
    fresh = lab.make(num_envs=4)
    lab.put(fresh, start)
    old, new = lab.run(sim, targets, 6), lab.run(fresh, targets, 6)
    fresh.close()
    for was, should in zip(old, new, strict=True):
        jax.tree.map(np.testing.assert_array_equal, was, should)
