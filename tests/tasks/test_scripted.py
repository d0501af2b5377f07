"""The scripted baseline does what a baseline is for."""

import jax
import jax.numpy as jnp
import numpy as np


def test_the_script_separates_screws_better_than_standing_still(make_task, sim, bank):
    task = make_task(active_axes=("x", "y", "z"))
    scene, episode = task.begin(bank, jnp.arange(8), jnp.arange(8))

    @jax.jit
    def act(episode, views):
        scene = task.look(episode, sim.unpack(views))
        episode = task.act(episode, scene, task.scripted_action(episode, scene))
        return episode, task._potentials(scene.state, scene.tip.pos_w)["progress"]

    sim.write(jnp.ones(8, bool), sim.pack(scene.state))
    sim.step(episode.joint_targets)
    progress = []
    for _ in range(150):
        episode, now = act(episode, sim.views())
        progress.append(np.array(now))
        sim.step(episode.joint_targets)
    assert np.mean(progress[-1] - progress[0]) > 0.3
