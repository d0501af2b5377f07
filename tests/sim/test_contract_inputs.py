"""The contract: what does not fit is refused with what was got and what is valid, and moves nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim.errors import InputMismatchError, SnapshotMismatchError

# what is done to an array that fits, and what the refusal says of the outcome; {u} controls are right
WRONG_CONTROLS = {
    "too few scenes": (lambda c: c[:1], r"float32 \[2, {u}\], got float32 \[1, {u}\]"),
    "too many scenes": (lambda c: jnp.tile(c, (2, 1)), r"got float32 \[4, {u}\]"),
    "too few joints": (lambda c: c[:, :-1], r"got float32 \[2, {less}\]"),
    "one scene alone": (lambda c: c[0], r"got float32 \[{u}\]"),
    "one number": (lambda c: c[0, 0], r"got float32 \[\]"),
    "another axis": (lambda c: c[None], r"got float32 \[1, 2, {u}\]"),
    "the other way round": (lambda c: c.T, r"got float32 \[{u}, 2\]"),
    "integers": (lambda c: c.astype(jnp.int32), r"got int32 \[2, {u}\]"),
    "half precision": (lambda c: c.astype(jnp.bfloat16), r"got bfloat16 \[2, {u}\]"),
    "numpy": (np.asarray, "in a jax.Array, got a ndarray"),
    "a list": (lambda c: np.asarray(c).tolist(), "got a list"),
}
WRONG_MASKS = {
    "too short": (lambda m: m[:1], r"as bool \[2\], got bool \[1\]"),
    "too long": (lambda m: jnp.tile(m, 2), r"got bool \[4\]"),
    "another axis": (lambda m: m[:, None], r"got bool \[2, 1\]"),
    "one for all": (lambda m: m[0], r"got bool \[\]"),
    "integers": (lambda m: m.astype(jnp.int32), r"got int32 \[2\]"),
    "floats": (lambda m: m.astype(jnp.float32), r"got float32 \[2\]"),
    "numpy": (np.asarray, "got a ndarray"),
}
WRONG_VIEWS = {
    "too few scenes": (lambda v: v[:1], r"got float32 \[1, "),
    "too many scenes": (lambda v: jnp.concatenate([v, v]), r"got float32 \[4, "),
    "one column less": (lambda v: v[..., :-1], "got float32"),
    "flat": (lambda v: v.reshape(-1), "got float32"),
    "integers": (lambda v: v.astype(jnp.int32), "got int32"),
    "numpy": (np.asarray, "got a ndarray"),
}


@pytest.fixture
def unmoved(world):
    """A check that the scenes still begin from the start; they are put there first."""
    sim = world.shared()

    def next_state():
        world.lab.put(sim, world.start, rows=[])
        return world.lab.run(sim, world.hold, 1)[-1]

    world.lab.put(sim, world.start)
    should = next_state()
    world.lab.put(sim, world.start)

    def check():
        got = next_state()
        np.testing.assert_allclose(got.robot.joint_pos, should.robot.joint_pos, atol=1e-4)
        np.testing.assert_allclose(world.where(got), world.where(should), atol=1e-4)

    return check


@pytest.fixture
def elsewhere(world):
    """A mask of both scenes, and views that would put all that moves freely 5 cm higher."""
    higher = world.moved([0.0, 0.0, 0.05])
    return jnp.ones(2, bool), world.shared().pack(jax.tree.map(jnp.asarray, higher))


def test_controls_that_do_not_fit_are_refused(world, unmoved):
    sim, u = world.shared(), world.num_joints
    control = jnp.asarray(world.hold + np.float32(world.push))
    for change, said in WRONG_CONTROLS.values():
        message = f"{world.lab.engine}: step takes control.*{said.format(u=u, less=u - 1)}"
        with pytest.raises(InputMismatchError, match=message):
            sim.step(change(control))
    unmoved()


def test_masks_that_do_not_fit_are_refused(world, unmoved, elsewhere):
    sim, (mask, views) = world.shared(), elsewhere
    for change, said in WRONG_MASKS.values():
        with pytest.raises(
            InputMismatchError, match=f"{world.lab.engine}: write takes mask.*{said}"
        ):
            sim.write(change(mask), views)
    unmoved()


def test_a_view_that_does_not_fit_is_refused_whichever_it_is(world, unmoved, elsewhere):
    sim, (mask, views) = world.shared(), elsewhere
    for change, said in WRONG_VIEWS.values():
        for name in views:
            message = f"{world.lab.engine}: write takes the view '{name}' as float32.*{said}"
            with pytest.raises(InputMismatchError, match=message):
                sim.write(mask, views | {name: change(views[name])})
    unmoved()


def test_views_of_other_names_are_refused(world, unmoved, elsewhere):
    sim, (mask, views) = world.shared(), elsewhere
    for name in views:
        missing = {other: view for other, view in views.items() if other != name}
        for wrong in ({}, missing, missing | {"nonsense": views[name]}, views | {"more": mask}):
            with pytest.raises(
                InputMismatchError, match=f"{world.lab.engine}: write takes the views"
            ):
                sim.write(mask, wrong)
    unmoved()


def test_a_snapshot_of_another_precision_is_refused(world):
    sim = world.shared()
    world.lab.put(sim, world.start)
    snapshot = sim.snapshot()
    for dtype in (np.float16, np.int64):
        other = {name: value.astype(dtype) for name, value in snapshot.items()}
        with pytest.raises(SnapshotMismatchError, match=f"{world.lab.engine}.*{np.dtype(dtype)}"):
            sim.restore(other)
