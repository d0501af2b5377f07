"""PhysX's hand-overs on a CUDA device: pointers, order, scenes in one place that do not meet.

Races are provoked as in `test_bridge_gpu.py`: the reader is slow on purpose. The rule that PhysX itself
cannot keep has a test in which it is broken, to show that the other can fail.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.options import PhysxConfig
from screwpush_sim.state import home_state

pytest.importorskip("ovphysx")

import warp as wp

from screwpush_sim.engines.physx import engine
from screwpush_sim.engines.physx.engine import Physx

pytestmark = pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs a CUDA device")

STEPS = 1000
NUM_ENVS = 256


@pytest.fixture(scope="module")
def sim():
    scene = make_scene(SceneConfig())
    scene = dataclasses.replace(scene, physics=dataclasses.replace(scene.physics, decimation=1))
    made = Physx(scene, NUM_ENVS, PhysxConfig())
    yield made
    made.close()


def slow_copy(view: jax.Array, busy: jax.Array) -> jax.Array:
    """`view + 1`, read only after a long computation."""
    busy = jax.lax.fori_loop(0, 100, lambda _, x: jnp.tanh(x @ x), busy)
    late = jnp.sum(busy) * 0.0  # not folded: it could be NaN
    return jax.lax.cond(late == 0.0, lambda v: v + 1.0, lambda v: v - 1.0, view)


def unordered_import(array: jax.Array):
    """JAX's memory by its bare address: nothing waits."""
    pointer, dtype = array.unsafe_buffer_pointer(), wp.bool if array.dtype == bool else float
    return wp.array(ptr=pointer, shape=array.shape, dtype=dtype, device="cuda:0", copy=False)


def test_views_are_the_memory_that_physx_writes(sim):
    """Never another: PhysX's bindings read into it, on the device, and JAX reads it there."""
    arrays = sim._tensors.arrays
    for _ in range(3):
        views = sim.views()
        for name, array in arrays.items():
            assert array.device.is_cuda
            assert views[name].unsafe_buffer_pointer() == array.ptr
            assert next(iter(views[name].devices())).platform == "gpu"
        for name, (binding, rows) in sim._tensors._bindings.items():
            assert binding.native_device.device_type.value == 2, "not on a CUDA device"
            assert rows.data == arrays[name].ptr
        sim.step(jnp.zeros((NUM_ENVS, 6)))


def test_the_simulator_and_its_reader_agree_on_a_thousand_steps(sim):
    """What a slow transition read is what physics wrote; what physics took is what it was given."""
    assert lost_hand_overs(sim, STEPS) == 0


@pytest.mark.xfail(reason="on one H100 nothing was lost without the order, either", strict=False)
def test_the_hand_overs_are_lost_without_order(sim, monkeypatch):
    """Without resets, whose own order would come to the targets' aid."""
    assert lost_hand_overs(sim, 100, resets=False) == 0
    monkeypatch.setattr(engine, "to_warp", unordered_import)
    assert lost_hand_overs(sim, 100, resets=False) > 0


def lost_hand_overs(sim, steps: int, resets: bool = True) -> int:
    """Numbers that differ between what one side wrote and what the other read, in a loop like training's."""
    home = home_state(sim.spec.scene, NUM_ENVS)
    sim.write(jnp.ones(NUM_ENVS, bool), sim.pack(home))
    sim.step(home.robot.joint_pos)
    start = jax.tree.map(jnp.array, sim.views())
    busy = jnp.eye(1024) * 0.1

    @jax.jit
    def transition(views, clock, busy):
        seen = slow_copy(views["joint_pos"], busy) - 1.0
        swing = 0.3 * jnp.sin(0.1 * clock + jnp.arange(float(NUM_ENVS)))[:, None] * jnp.ones((1, 6))
        mask = (clock + jnp.arange(float(NUM_ENVS))) % 97.0 == 0.0
        targets = home.robot.joint_pos + swing + 0.1 * (seen - home.robot.joint_pos)
        return targets, mask, jax.tree.map(lambda leaf: leaf + 0.0, start), clock + 1.0, seen

    tensors, clock, kept = sim._tensors, jnp.zeros(()), []
    for _ in range(steps):
        written = wp.clone(tensors.arrays["joint_pos"])
        targets, mask, fresh, clock, seen = transition(sim.views(), clock, busy)
        if resets:
            sim.write(mask, fresh)
        sim.step(targets)
        kept.append((written, wp.clone(tensors.control), targets, seen))
    wp.synchronize()
    wrong = 0
    for written, taken, targets, seen in kept:
        # + 1 - 1 rounds in the last place
        wrong += np.sum(~(np.abs(np.asarray(seen) - written.numpy()) <= 1e-6))
        wrong += np.sum(np.asarray(targets) != taken.numpy())
    return int(wrong)


def test_a_reset_reaches_the_scenes_of_its_mask_alone(sim):
    state = home_state(sim.spec.scene, NUM_ENVS)
    hold = state.robot.joint_pos
    sim.write(jnp.ones(NUM_ENVS, bool), sim.pack(state))
    sim.step(hold)
    pos = state.bodies["screws"].pos_w.at[..., 2].add(0.5)
    mask = jnp.arange(NUM_ENVS) % 3 == 1
    sim.write(mask, sim.pack(state.with_bodies("screws", pos_w=pos)))
    sim.step(hold)
    height = np.asarray(sim.unpack(sim.views()).bodies["screws"].pos_w[..., 2])
    np.testing.assert_array_equal(height.min(axis=1) > 0.4, np.asarray(mask))


def test_scenes_in_one_place_do_not_meet(sim):
    """Bolts fly through where other scenes have theirs: each scene does what it would do alone."""
    state = home_state(sim.spec.scene, NUM_ENVS)
    hold = state.robot.joint_pos
    speed = np.linspace(-1.0, 1.0, NUM_ENVS, dtype=np.float32)
    linvel = np.zeros((NUM_ENVS, 3, 3), np.float32)
    linvel[..., 1] = speed[:, None]
    pos = np.asarray(state.bodies["screws"].pos_w) + np.float32([0.6, 0, 0.5])
    flying = state.with_bodies("screws", pos_w=jnp.asarray(pos), linvel_w=jnp.asarray(linvel))
    sim.write(jnp.ones(NUM_ENVS, bool), sim.pack(flying))
    count = 20
    for _ in range(count):
        sim.step(hold)
    moved = np.asarray(sim.unpack(sim.views()).bodies["screws"].pos_w) - pos
    wanted = np.zeros_like(moved)
    wanted[..., 1] = speed[:, None] * count * sim.spec.control_dt_s
    np.testing.assert_allclose(moved[..., :2], wanted[..., :2], atol=1e-4)


def test_a_state_that_is_no_number_harms_no_other_scene(sim):
    state = home_state(sim.spec.scene, NUM_ENVS)
    hold = state.robot.joint_pos
    for field, value in (("pos_w", jnp.nan), ("linvel_w", jnp.inf), ("quat_w", jnp.nan)):
        leaf = getattr(state.bodies["screws"], field).at[7, 0, 0].set(value)
        sim.write(jnp.ones(NUM_ENVS, bool), sim.pack(state.with_bodies("screws", **{field: leaf})))
        for _ in range(3):
            sim.step(hold)
        shown = [np.asarray(leaf) for leaf in jax.tree.leaves(sim.unpack(sim.views()))]
        finite = np.all([np.isfinite(a.reshape(NUM_ENVS, -1)).all(axis=1) for a in shown], axis=0)
        np.testing.assert_array_equal(np.flatnonzero(~finite), [7])
