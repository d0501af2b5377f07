"""The scripted baseline does what a baseline is for."""

import jax
import jax.numpy as jnp
import numpy as np


def mean_gap_m(state) -> np.ndarray:
    """Mean distance `[N]` of the pairs of screws."""
    pos = np.asarray(state.bodies["screws"].pos_w)
    first, second = np.triu_indices(pos.shape[1], k=1)
    return np.linalg.norm(pos[:, first] - pos[:, second], axis=-1).mean(axis=1)


def test_the_script_separates_screws_better_than_standing_still(make_task, sim, starts):
    """150 control steps each way from the same starts."""
    task = make_task(active_axes=("x", "y", "z"))
    derived, memory = jax.jit(task.reset)(
        starts, jnp.tile(jnp.arange(8), (2, 1)), jax.random.key(0)
    )
    begun, home = derived.state, memory.joint_targets

    @jax.jit
    def scripted(memory, views):
        now = task.derive(memory, sim.unpack(views))
        action = task.baselines["scripted"](task, memory, now, jax.random.key(0))
        return task.act(memory, now, action)

    def gain_m(control_of) -> np.ndarray:
        sim.write(jnp.ones(8, bool), sim.pack(begun))
        sim.step(home)
        for _ in range(150):
            sim.step(control_of())
        return mean_gap_m(sim.unpack(sim.views())) - mean_gap_m(begun)

    def script():
        nonlocal memory
        control, memory = scripted(memory, sim.views())
        return control

    assert np.abs(gain_m(lambda: home)).max() < 0.002
    assert np.mean(gain_m(script)) > 0.03
