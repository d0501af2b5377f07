"""PhysX's hand-overs on a CUDA device: pointers, order, scenes in one place that do not meet.

Races are provoked: all that JAX lends is late on purpose, and poisoned as soon as `step` has returned. A
test without the streams' order shows that the others can fail. Without `Tensors.wait` nothing was ever seen
lost on an H100: Warp's stream is one that CUDA's default stream waits for, and so does what PhysX queues
there.
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

ON_GPU = jax.default_backend() == "gpu"
DEVICE = "cuda:0" if ON_GPU else "cpu"
pytestmark = pytest.mark.skipif(not ON_GPU, reason="needs a CUDA device")

STEPS = 1000
SIZE = 2048
NUM_ENVS = 256


@pytest.fixture(scope="module")
def sim():
    scene = make_scene(SceneConfig())
    scene = dataclasses.replace(scene, physics=dataclasses.replace(scene.physics, decimation=1))
    made = Physx(scene, NUM_ENVS, PhysxConfig())
    yield made
    made.close()


def late_zero(busy: jax.Array, rounds: int) -> jax.Array:
    """0 after a long computation, which the host does not wait for: a third of a millisecond a round."""
    square = lambda _, x: jnp.tanh(jnp.matmul(x, x, precision="highest"))  # noqa: E731
    busy = jax.lax.fori_loop(0, rounds, square, busy)
    return jnp.sum(busy) * 0.0  # not folded: it could be NaN


def at_address(array: jax.Array):
    """JAX's memory by its bare address: nothing waits."""
    pointer, dtype = array.unsafe_buffer_pointer(), wp.bool if array.dtype == bool else float
    return wp.array(ptr=pointer, shape=array.shape, dtype=dtype, device=DEVICE, copy=False)


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
    """What a late transition read is what physics wrote; PhysX has the targets and states of each."""
    assert lost_hand_overs(sim, STEPS, rounds=80) == {"read": 0, "targets": 0, "states": 0}


def test_without_the_streams_order_hand_overs_are_lost(sim, monkeypatch):
    """What JAX lends is read before it is there."""
    monkeypatch.setattr(engine, "to_warp", at_address)
    lost = lost_hand_overs(sim, 30, rounds=800)
    assert lost["targets"] > 0, lost
    assert lost["states"] > 0, lost


def lost_hand_overs(sim, steps: int, rounds: int) -> dict[str, int]:
    """Numbers that one side wrote and the other did not get, in a loop like training's.

    In most steps the transition must still be under way when the simulator is called, or nothing is
    shown.
    """
    home = home_state(sim.spec.scene, NUM_ENVS)
    sim.write(jnp.ones(NUM_ENVS, bool), sim.pack(home))
    sim.step(home.robot.joint_pos)
    start = jax.tree.map(jnp.array, sim.views())
    order = jnp.array(sim._tensors._joints.numpy())
    held, _ = next(iter(sim._tensors._commands))
    busy, phase = jnp.eye(SIZE) * 0.1, jnp.arange(float(NUM_ENVS))

    @jax.jit
    def transition(views, clock, busy):
        zero = late_zero(busy, rounds)
        seen = views["joint_pos"] + zero
        swing = 0.3 * jnp.sin(0.1 * clock + phase)[:, None] * jnp.ones((1, 6))
        targets = home.robot.joint_pos + swing + zero
        mask = (clock + phase) % 97.0 == zero
        fresh = jax.tree.map(lambda leaf: leaf + zero, start)
        return (targets, mask, fresh), (targets[:, order] * 1.0, ~mask, seen), clock + 1.0

    late, clock, lost = 0, jnp.zeros(()), {"read": 0, "targets": 0, "states": 0}
    jax.block_until_ready(transition(sim.views(), clock, busy))
    target_rows = wp.zeros((NUM_ENVS, 6), dtype=float, device=DEVICE)
    for _ in range(steps):
        written = sim._tensors.arrays["joint_pos"].numpy().copy()
        (targets, mask, fresh), kept, clock = transition(sim.views(), clock, busy)
        late += not targets.is_ready()
        sim.write(mask, fresh)
        sim.step(targets)
        for lent in (targets, *fresh.values()):
            wp.copy(at_address(lent), wp.full(lent.shape, np.nan, dtype=float, device=DEVICE))
        wanted, others, seen = (np.asarray(array) for array in kept)
        held.read(target_rows)
        lost["targets"] += int(np.sum(~(np.abs(target_rows.numpy() - wanted) <= 1e-6)))
        lost["read"] += int(np.sum(~(np.abs(seen - written) <= 1e-6)))
        moved = sim._tensors.arrays["body_pose"].numpy() - np.asarray(start["body_pose"])
        lost["states"] += int(np.sum(~(np.abs(moved[~others, :, :3]) <= 5e-3)))
    assert late > 0.9 * steps or not ON_GPU
    return lost


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
