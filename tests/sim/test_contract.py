"""The contract: what every engine does with memory, snapshots and its own end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.errors import SimClosedError, SnapshotMismatchError


@pytest.fixture
def random_state(lab, make_state):
    """Two scenes with every number drawn at random, quaternions of unit length."""
    rng = np.random.default_rng(0)
    quat = rng.normal(size=(2, 3, 4))
    quat /= np.linalg.norm(quat, axis=-1, keepdims=True)
    pos, linvel, angvel = rng.normal(size=(3, 2, 3, 3))
    return make_state(pos, quat, linvel, angvel, joints=rng.normal(size=(2, 6)))


def same(a, b) -> bool:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y, equal_nan=True) for x, y in pairs)


def pointers(views) -> dict[str, int]:
    return {name: view.unsafe_buffer_pointer() for name, view in views.items()}


def test_spec_says_what_was_built(lab):
    sim = lab.shared()
    assert (sim.spec.engine, sim.spec.num_envs, sim.spec.scene.groups[0].count) == (
        lab.engine,
        2,
        3,
    )
    assert sim.spec.control_dt_s == pytest.approx(0.05)


def test_views_are_the_engines_own_memory(lab, lying):
    sim = lab.shared()
    lab.put(sim, lying)
    before = sim.views()
    assert pointers(sim.views()) == pointers(before)
    sim.step(jnp.asarray(lying.robot.joint_pos) + 0.1)
    assert pointers(sim.views()) == pointers(before)


def test_views_show_what_physics_wrote(lab, lying):
    sim = lab.shared()
    lab.put(sim, lying)
    still = lab.run(sim, lying.robot.joint_pos, 1)[-1]
    moved = lab.run(sim, lying.robot.joint_pos + 0.1, 10)[-1]
    np.testing.assert_allclose(still.robot.joint_pos, lying.robot.joint_pos, atol=1e-3)
    np.testing.assert_allclose(moved.robot.joint_pos, lying.robot.joint_pos + 0.1, atol=1e-2)


def test_views_have_one_row_per_scene(lab):
    assert all(view.shape[0] == 2 for view in lab.shared().views().values())


def test_state_is_float32_of_the_stated_shapes(lab):
    state = lab.read(lab.shared())
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {np.dtype(np.float32)}
    assert jax.tree.map(np.shape, vars(state.robot)) == {
        "joint_pos": (2, 6),
        "joint_vel": (2, 6),
        **dict.fromkeys(("base_pos_w", "base_quat_w", "base_linvel_w", "base_angvel_w")),
    }
    assert list(state.bodies) == ["screws"]
    assert jax.tree.map(np.shape, vars(state.bodies["screws"])) == {
        "pos_w": (2, 3, 3),
        "quat_w": (2, 3, 4),
        "linvel_w": (2, 3, 3),
        "angvel_w": (2, 3, 3),
    }


def test_unpack_inverts_pack(lab, random_state):
    sim = lab.shared()
    there_and_back = jax.jit(lambda state: sim.unpack(sim.pack(state)))(random_state)
    jax.tree.map(
        lambda got, want: np.testing.assert_allclose(got, want, atol=3e-6),
        there_and_back,
        random_state,
    )


def test_pack_gives_the_layout_of_the_views(lab, random_state):
    sim = lab.shared()
    packed, views = sim.pack(jax.tree.map(jnp.asarray, random_state)), sim.views()
    layout = {name: (view.shape, view.dtype) for name, view in views.items()}
    assert {name: (view.shape, view.dtype) for name, view in packed.items()} == layout


def test_write_replaces_the_masked_scenes_only(lab, lying):
    sim = lab.shared()
    lab.put(sim, lying)
    other = lying.with_bodies(
        "screws", pos_w=lying.bodies["screws"].pos_w + np.float32([0.02, 0.1, 0.0])
    )
    lab.put(sim, other, rows=[1])
    after = lab.run(sim, lying.robot.joint_pos, 1)[-1]
    np.testing.assert_allclose(
        after.bodies["screws"].pos_w[0], lying.bodies["screws"].pos_w[0], atol=1e-4
    )
    np.testing.assert_allclose(
        after.bodies["screws"].pos_w[1], other.bodies["screws"].pos_w[1], atol=1e-4
    )


def test_write_with_an_empty_mask_changes_nothing(lab, lying):
    sim = lab.shared()
    lab.put(sim, lying)
    lab.put(sim, lying.with_bodies("screws", pos_w=lying.bodies["screws"].pos_w + 1), rows=[])
    after = lab.run(sim, lying.robot.joint_pos, 1)[-1]
    np.testing.assert_allclose(
        after.bodies["screws"].pos_w, lying.bodies["screws"].pos_w, atol=1e-4
    )


def test_written_memory_is_not_kept(lab, lying):
    """What was written is copied: the arrays may be donated or freed right after."""
    sim = lab.shared()
    views = jax.tree.map(jnp.copy, sim.pack(jax.tree.map(jnp.asarray, lying)))
    sim.write(jnp.ones(2, bool), views)
    for view in views.values():
        view.delete()
    after = lab.run(sim, lying.robot.joint_pos, 1)[-1]
    np.testing.assert_allclose(
        after.bodies["screws"].pos_w, lying.bodies["screws"].pos_w, atol=1e-4
    )


def test_a_restored_snapshot_has_the_same_future_in_another_instance(lab, lying):
    sim, twin = lab.shared(), lab.make()
    if not sim.spec.deterministic:
        pytest.skip(f"{lab.engine} does not promise equal futures")
    lab.put(sim, lying.with_bodies("screws", linvel_w=np.full((2, 3, 3), 0.4, np.float32)))
    lab.run(sim, lying.robot.joint_pos, 3)
    snapshot = sim.snapshot()
    future = lab.run(sim, lying.robot.joint_pos + 0.1, 6)
    twin.restore(snapshot)
    assert same(lab.run(twin, lying.robot.joint_pos + 0.1, 6), future)
    sim.restore(snapshot)
    assert same(lab.run(sim, lying.robot.joint_pos + 0.1, 6), future)
    twin.close()


def test_restore_is_seen_at_once(lab, lying):
    sim = lab.shared()
    lab.put(sim, lying)
    seen = lab.run(sim, lying.robot.joint_pos, 1)[-1]
    snapshot = sim.snapshot()
    lab.run(sim, lying.robot.joint_pos + 0.2, 5)
    sim.restore(snapshot)
    assert same(lab.read(sim), seen)


def test_restore_refuses_what_does_not_fit(lab, lying):
    sim = lab.shared()
    lab.put(sim, lying)
    seen = lab.run(sim, lying.robot.joint_pos, 1)[-1]
    snapshot = sim.snapshot()
    too_many = {name: np.concatenate([value, value]) for name, value in snapshot.items()}
    for wrong in ({}, {"nonsense": np.zeros(3)}, too_many):
        with pytest.raises(SnapshotMismatchError, match=lab.engine):
            sim.restore(wrong)
    assert same(lab.read(sim), seen)


def test_a_closed_simulator_says_so(lab, lying):
    sim = lab.make()
    snapshot, views = sim.snapshot(), jax.tree.map(jnp.copy, sim.views())
    sim.close()
    sim.close()
    uses = [
        sim.views,
        sim.snapshot,
        lambda: sim.restore(snapshot),
        lambda: sim.step(jnp.zeros((2, 6))),
        lambda: sim.write(jnp.ones(2, bool), views),
    ]
    for use in uses:
        with pytest.raises(SimClosedError, match="closed"):
            use()
