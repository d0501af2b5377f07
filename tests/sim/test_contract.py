"""The contract: what every engine does with memory, snapshots and its own end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim.errors import SimClosedError, SnapshotMismatchError
from screwpush_sim.state import zero_state


@pytest.fixture
def random_state(world):
    """Two scenes with every number drawn at random, quaternions of unit length."""
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        value = rng.normal(size=leaf.shape)
        if "quat" in jax.tree_util.keystr(path):
            value /= np.linalg.norm(value, axis=-1, keepdims=True)
        return value.astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, world.start)


def same(a, b) -> bool:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y, equal_nan=True) for x, y in pairs)


def pointers(views) -> dict[str, int]:
    return {name: view.unsafe_buffer_pointer() for name, view in views.items()}


def test_spec_says_what_was_built(world):
    sim = world.shared()
    scene = sim.spec.scene
    assert (sim.spec.engine, sim.spec.num_envs) == (world.lab.engine, 2)
    assert sim.spec.control_dt_s == pytest.approx(scene.physics.dt_s * scene.physics.decimation)
    assert len(scene.robot.joints) == world.num_joints


def test_views_are_the_engines_own_memory(world):
    sim = world.shared()
    world.lab.put(sim, world.start)
    before = sim.views()
    assert pointers(sim.views()) == pointers(before)
    sim.step(jnp.asarray(world.hold + np.float32(world.push)))
    assert pointers(sim.views()) == pointers(before)


def test_views_show_what_physics_wrote(world):
    sim, start = world.shared(), world.start
    world.lab.put(sim, start)
    still = world.lab.run(sim, world.hold, 1)[-1]
    np.testing.assert_allclose(still.robot.joint_pos, start.robot.joint_pos, atol=2e-3)
    moved = world.lab.run(sim, world.hold + np.float32(world.push), 10)[-1]
    assert np.abs(moved.robot.joint_pos - start.robot.joint_pos).max(axis=1).min() > 0.05


def test_views_have_one_row_per_scene(world):
    assert all(view.shape[0] == 2 for view in world.shared().views().values())


def test_the_state_is_float32_in_the_shapes_of_the_zero_state(world):
    sim = world.shared()
    wanted = jax.eval_shape(lambda: zero_state(sim.spec.scene, 2))
    got = world.lab.read(sim)
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    layouts = [[(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(s)] for s in (got, wanted)]
    assert layouts[0] == layouts[1]


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


def test_unpack_inverts_pack(world, random_state):
    sim = world.shared()
    there_and_back = jax.jit(lambda state: sim.unpack(sim.pack(state)))(random_state)
    jax.tree.map(
        lambda got, want: np.testing.assert_allclose(got, want, atol=3e-6),
        there_and_back,
        random_state,
    )


def test_pack_gives_the_layout_of_the_views(world, random_state):
    sim = world.shared()
    packed, views = sim.pack(jax.tree.map(jnp.asarray, random_state)), sim.views()
    layout = {name: (view.shape, view.dtype) for name, view in views.items()}
    assert {name: (view.shape, view.dtype) for name, view in packed.items()} == layout


def test_write_replaces_the_masked_scenes_only(world):
    sim = world.shared()
    world.lab.put(sim, world.start)
    other = world.moved([0.02, 0.1, 0.0])
    world.lab.put(sim, other, rows=[1])
    after = world.lab.run(sim, world.hold, 1)[-1]
    np.testing.assert_allclose(world.where(after)[0], world.where(world.start)[0], atol=5e-4)
    np.testing.assert_allclose(world.where(after)[1], world.where(other)[1], atol=5e-4)


def test_write_with_an_empty_mask_changes_nothing(world):
    sim = world.shared()
    world.lab.put(sim, world.start)
    world.lab.put(sim, world.moved(1.0), rows=[])
    after = world.lab.run(sim, world.hold, 1)[-1]
    np.testing.assert_allclose(world.where(after), world.where(world.start), atol=5e-4)


def test_written_memory_is_not_kept(world):
    """What was written is copied: the arrays may be donated or freed right after."""
    sim = world.shared()
    views = jax.tree.map(jnp.copy, sim.pack(jax.tree.map(jnp.asarray, world.start)))
    sim.write(jnp.ones(2, bool), views)
    for view in views.values():
        view.delete()
    after = world.lab.run(sim, world.hold, 1)[-1]
    np.testing.assert_allclose(world.where(after), world.where(world.start), atol=5e-4)


@pytest.mark.slow
def test_a_restored_snapshot_has_the_same_future_in_another_instance(world):
    sim = world.shared()
    if not sim.spec.deterministic:
        pytest.skip(f"{world.lab.engine} does not promise equal futures")
    twin = world.make_another()
    world.lab.put(sim, world.thrown(0.4))
    world.lab.run(sim, world.hold, 3)
    snapshot = sim.snapshot()
    future = world.lab.run(sim, world.hold + np.float32(world.push), 6)
    twin.restore(snapshot)
    assert same(world.lab.run(twin, world.hold + np.float32(world.push), 6), future)
    sim.restore(snapshot)
    assert same(world.lab.run(sim, world.hold + np.float32(world.push), 6), future)
    twin.close()


def test_restore_is_seen_at_once(world):
    sim = world.shared()
    world.lab.put(sim, world.start)
    seen = world.lab.run(sim, world.hold, 1)[-1]
    snapshot = sim.snapshot()
    world.lab.run(sim, world.hold + np.float32(world.push), 5)
    sim.restore(snapshot)
    assert same(world.lab.read(sim), seen)


def test_restore_refuses_what_does_not_fit(world):
    sim = world.shared()
    world.lab.put(sim, world.start)
    seen = world.lab.run(sim, world.hold, 1)[-1]
    snapshot = sim.snapshot()
    too_many = {name: np.concatenate([value, value]) for name, value in snapshot.items()}
    for wrong in ({}, {"nonsense": np.zeros(3)}, too_many):
        with pytest.raises(SnapshotMismatchError, match=world.lab.engine):
            sim.restore(wrong)
    assert same(world.lab.read(sim), seen)


@pytest.mark.slow
def test_a_closed_simulator_says_so(world):
    sim = world.make()
    snapshot, views = sim.snapshot(), jax.tree.map(jnp.copy, sim.views())
    sim.close()
    sim.close()
    uses = [
        sim.views,
        sim.snapshot,
        lambda: sim.restore(snapshot),
        lambda: sim.step(jnp.zeros(world.hold.shape)),
        lambda: sim.write(jnp.ones(2, bool), views),
    ]
    for use in uses:
        with pytest.raises(SimClosedError, match="closed"):
            use()
