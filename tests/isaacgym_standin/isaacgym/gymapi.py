"""`isaacgym.gymapi`: parameters, handles, and the `Gym` that owns them."""

import os

from . import _plain
from ._gym import Gym
from ._plain import *  # noqa: F403
from ._tensors import Tensor

PATCH = "ISAACGYM_STANDIN_PATCH"
"""Environment variable with code that breaks `Gym` on purpose, for tests of what happens then."""

__all__ = ["Gym", "Tensor", "acquire_gym", *_plain.__all__]

_the_gym = None


def acquire_gym(*args, **kwargs):
    global _the_gym
    if _the_gym is None:
        exec(os.environ.get(PATCH, ""), {"Gym": Gym})
        _the_gym = Gym()
    return _the_gym
