"""Options that would do nothing in a run that begins are refused, and nothing else is."""

import pytest

from screwpush_jax import idle_options
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import UsageError
from screwpush_jax.tasks.registry import TASKS


def config(task="separate", algorithm="ppo", **tree):
    kind = config_type(task, algorithm=algorithm)
    return from_tree({"task": task, "algorithm": algorithm, **tree}, kind, kind())


def critic(algorithm):
    env = {"disturbance": {"asymmetric_critic": True}}
    return config(algorithm=algorithm, env=env)


def encoder(task="separate", algorithm="ppo", **env):
    return config(task, algorithm, env=env, **{algorithm: {"set_encoder": {"kind": "attention"}}})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            critic("grpo"),
            "--env.disturbance.asymmetric-critic: --algorithm grpo has no critic; valid:",
        ),
        (encoder(), "--ppo.set-encoder: the observation of --task separate has no set"),
        (encoder("humanoid"), "--ppo.set-encoder: the observation of --task humanoid has no set"),
        (encoder(algorithm="grpo"), "--grpo.set-encoder: the observation"),
    ],
)
def test_what_would_do_nothing_is_told(given, said):
    with pytest.raises(UsageError) as caught:
        idle_options.check(given)
    assert str(caught.value).startswith(said)
    assert "; valid: " in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        *(config(task, algorithm) for task in TASKS for algorithm in ("ppo", "grpo")),
        critic("ppo"),
        encoder(observation="set"),
    ],
)
def test_what_does_something_passes(given):
    idle_options.check(given)
