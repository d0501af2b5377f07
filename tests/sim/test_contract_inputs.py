"""The contract: what does not fit is refused with what was got and what is valid, and moves nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.assets import elfin15
from sim.errors import InputMismatchError, SnapshotMismatchError

# what is done to an array that fits, and what the refusal says of the outcome
WRONG_TARGETS = {
    "too few scenes": (lambda t: t[:1], r"float32 \[2, 6\], got float32 \[1, 6\]"),
    "too many scenes": (lambda t: jnp.tile(t, (2, 1)), r"got float32 \[4, 6\]"),
    "too few joints": (lambda t: t[:, :5], r"got float32 \[2, 5\]"),
    "one scene alone": (lambda t: t[0], r"got float32 \[6\]"),
    "one number": (lambda t: t[0, 0], r"got float32 \[\]"),
    "another axis": (lambda t: t[None], r"got float32 \[1, 2, 6\]"),
    "the other way round": (lambda t: t.T, r"got float32 \[6, 2\]"),
    "integers": (lambda t: t.astype(jnp.int32), r"got int32 \[2, 6\]"),
    "half precision": (lambda t: t.astype(jnp.bfloat16), r"got bfloat16 \[2, 6\]"),
    "numpy": (np.asarray, "in a jax.Array, got a ndarray"),
    "a list": (lambda t: np.asarray(t).tolist(), "got a list"),
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
def still(lab, lying):
    """Two resting scenes, the targets that hold them, and a check that nothing has moved."""
    sim = lab.shared()
    lab.put(sim, lying)
    targets = jnp.asarray(lying.robot.joint_pos)

    def unmoved():
        lab.put(sim, lying, rows=[])
        after = lab.run(sim, lying.robot.joint_pos, 1)[-1]
        np.testing.assert_allclose(after.robot.joint_pos, lying.robot.joint_pos, atol=1e-4)
        np.testing.assert_allclose(
            after.bodies["screws"].pos_w, lying.bodies["screws"].pos_w, atol=1e-4
        )

    return sim, targets, unmoved


@pytest.fixture
def elsewhere(lab, lying):
    """A mask of both scenes, and views that would put their screws 5 cm higher."""
    higher = lying.with_bodies(
        "screws", pos_w=lying.bodies["screws"].pos_w + np.float32([0, 0, 0.05])
    )
    return jnp.ones(2, bool), lab.shared().pack(jax.tree.map(jnp.asarray, higher))


def test_targets_that_do_not_fit_are_refused(lab, still):
    sim, targets, unmoved = still
    for change, said in WRONG_TARGETS.values():
        message = f"{lab.engine}: step takes control.*{said}"
        with pytest.raises(InputMismatchError, match=message):
            sim.step(change(targets + 0.1))
    unmoved()


def test_masks_that_do_not_fit_are_refused(lab, still, elsewhere):
    sim, _, unmoved = still
    mask, views = elsewhere
    for change, said in WRONG_MASKS.values():
        with pytest.raises(InputMismatchError, match=f"{lab.engine}: write takes mask.*{said}"):
            sim.write(change(mask), views)
    unmoved()


def test_a_view_that_does_not_fit_is_refused_whichever_it_is(lab, still, elsewhere):
    sim, _, unmoved = still
    mask, views = elsewhere
    for change, said in WRONG_VIEWS.values():
        for name in views:
            message = f"{lab.engine}: write takes the view '{name}' as float32.*{said}"
            with pytest.raises(InputMismatchError, match=message):
                sim.write(mask, views | {name: change(views[name])})
    unmoved()


def test_views_of_other_names_are_refused(lab, still, elsewhere):
    sim, _, unmoved = still
    mask, views = elsewhere
    for name in views:
        missing = {other: view for other, view in views.items() if other != name}
        for wrong in ({}, missing, missing | {"nonsense": views[name]}, views | {"more": mask}):
            with pytest.raises(InputMismatchError, match=f"{lab.engine}: write takes the views"):
                sim.write(mask, wrong)
    unmoved()


def test_targets_are_kept_within_the_range_and_what_is_no_number_keeps_the_last(lab, lying):
    """As a robot's controller does; the joints beside a wild one go where they are told."""
    sim = lab.shared()
    lab.put(
        sim,
        lying.with_bodies("screws", pos_w=lying.bodies["screws"].pos_w + np.float32([1.5, 0, 0])),
    )
    limit = np.float32(elfin15.arm_spec().range_rad)
    last = lying.robot.joint_pos + np.float32([0, 0, 0, 0.2, 0, 0.2])
    lab.run(sim, last, 1)
    targets = last + np.float32([0.1, 0, 0, 0, 0, 0])
    should = targets.copy()
    targets[0, 3], targets[0, 5] = np.nan, np.inf
    targets[1, 3], targets[1, 5] = -np.inf, 1e30
    should[0, 5] = limit[5]
    should[1, 3], should[1, 5] = -limit[3], limit[5]
    state = lab.run(sim, targets, 60)[-1]
    np.testing.assert_allclose(state.robot.joint_pos, should, atol=0.02)


def test_a_snapshot_of_another_precision_is_refused(lab, lying):
    sim = lab.shared()
    lab.put(sim, lying)
    snapshot = sim.snapshot()
    for dtype in (np.float16, np.int64):
        other = {name: value.astype(dtype) for name, value in snapshot.items()}
        with pytest.raises(SnapshotMismatchError, match=f"{lab.engine}.*{np.dtype(dtype)}"):
            sim.restore(other)
