"""What a batch of a real task tells: how large its observations are, with disturbances and in scenes that differ."""

import pytest

from screwpush_jax.doors.batch import make_batch
from screwpush_jax.errors import UsageError

CRITIC = {"disturbance": {"asymmetric_critic": True}}


@pytest.mark.slow
def test_what_it_says_of_its_observations_is_what_it_gives():
    """A critic is told the delay and each factor besides."""
    varied = {"variation": {"friction": [0.5, 2.0], "robot_mass": [0.9, 1.1]}}
    env = {"bank_size": 8, **CRITIC, **varied}
    batch = make_batch(
        "humanoid", num_envs=2, sim="mujoco", device="cpu", fast_compile=True, env=env
    )
    obs = batch.reset(0).obs
    batch.close()
    assert batch.obs_sizes == {name: value.shape[1] for name, value in obs.items()}
    assert batch.obs_sizes["critic"] == batch.obs_sizes["policy"] + 3


def test_what_cannot_be_varied_is_told_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(
        "screwpush_jax.doors.batch.find_starts", lambda config: pytest.fail("built")
    )
    env = {"variation": {"body_mass": [0.5, 2.0]}}
    with pytest.raises(UsageError, match="--env.variation.body-mass: .*; valid: friction,"):
        make_batch("humanoid", num_envs=2, sim="mujoco", device="cpu", env=env)


def test_skrls_state_is_as_large_as_what_the_critic_is_shown(toys):
    pytest.importorskip("skrl")
    from screwpush_jax.doors.skrl import SkrlEnv

    batch = make_batch("mark", num_envs=2, sim="rail", device="cpu", fast_compile=True)
    batch.obs_sizes = {"policy": 2, "critic": 7}
    env = SkrlEnv(batch)
    assert env.state_space is not None
    assert env.state_space.shape == (7,)
    batch.close()
