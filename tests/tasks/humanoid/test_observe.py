"""Each number of the observation against MuJoCo's own frames, and the table that names it."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screwpush_sim.assets import humanoid

N = 6
TARGET = np.array([1000.0, 0.0])


@pytest.fixture
def observed(drawn, make_walker):
    """`changes -> obs by field`, in the middle of an episode."""

    def of(**changes):
        task = make_walker(**changes)
        starts = task.starts(Sim(task), 4, 0)
        memory = task.reset(starts, jnp.zeros((1, N), jnp.int32), jax.random.key(0))[1]
        action = np.random.default_rng(5).uniform(-1, 1, (N, 21)).astype(np.float32)
        memory = dataclasses.replace(memory, action=jnp.asarray(action))
        derived = task.derive(memory, drawn)
        obs = task.observe(memory, derived, jnp.ones(N), jax.random.key(0))["policy"]
        assert obs.shape == (N, task.obs_sizes["policy"])
        assert obs.dtype == jnp.float32
        stops = [field.stop for field in task.obs_layout]
        assert [field.start for field in task.obs_layout] == [0, *stops[:-1]]
        return {f.name: np.asarray(obs[:, f.start : f.stop]) for f in task.obs_layout}, action

    return of


class Sim:
    """As much of a simulator as start states need."""

    def __init__(self, task):
        self.spec = type("Spec", (), {"scene": task.scene()})


def test_it_says_what_its_table_says(observed, drawn, placed):
    fields, action = observed(foot_contacts=True)
    model, found = placed(drawn)
    low, high = model.jnt_range[1:].T
    want = {name: [] for name in fields}
    for n, data in enumerate(found):
        torso = data.body("torso")
        axes = torso.xmat.reshape(3, 3)
        velocity = np.zeros(6)  # of the body's origin, world axes: rotation first
        mujoco.mj_objectVelocity(
            model, data, mujoco.mjtObj.mjOBJ_XBODY, model.body("torso").id, velocity, 0
        )
        ahead = axes[:2, 0] / np.linalg.norm(axes[:2, 0])
        heading = np.array([[*ahead, 0], [-ahead[1], ahead[0], 0], [0, 0, 1]])
        to_target = TARGET - torso.xpos[:2]
        to_target /= np.linalg.norm(to_target)
        cross = ahead[0] * to_target[1] - ahead[1] * to_target[0]
        yaw, _, roll = Rotation.from_matrix(axes).as_euler("ZYX")
        ranges = (data.qpos[7:] - low) / (high - low)
        forces = [np.asarray(drawn.contact[foot][n], float) for foot in humanoid.FEET]
        one = {
            "torso_height": torso.xpos[2],
            "torso_linvel_h": heading @ velocity[3:],
            "torso_angvel_h": 0.25 * (heading @ velocity[:3]),
            "torso_yaw": yaw,
            "torso_roll": roll,
            "angle_to_target": np.arctan2(cross, ahead @ to_target),
            "up": axes.T @ [0, 0, 1],
            "heading": axes[:2, 0] @ to_target,
            "joint_pos": 2 * ranges - 1,
            "joint_vel": 0.1 * data.qvel[6:],
            "prev_action": action[n],
            "foot_force_h": 0.01 * np.concatenate([heading @ force for force in forces]),
        }
        assert list(one) == list(want)
        for name, value in one.items():
            want[name].append(np.atleast_1d(value))
    for name, value in want.items():
        np.testing.assert_allclose(fields[name], value, atol=3e-5, err_msg=name)
    assert np.abs(fields["joint_pos"]).max() > 1, "a joint is beyond its range"
    assert fields["up"][:, 2].min() < 0.5, "one lies"


def test_foot_contacts_are_seen_only_if_asked_for(observed):
    plain, more = observed()[0], observed(foot_contacts=True)[0]
    assert more.keys() - plain.keys() == {"foot_force_h"}
    assert sum(value.shape[1] for value in plain.values()) == 77
