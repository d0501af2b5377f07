"""What the worker is told of scenes that differ, and that its read-back expects it."""

import numpy as np
import pytest

from screwpush_sim import registry
from screwpush_sim.assets import humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene

from .conftest import config

SCENES = {"arm": make_scene(SceneConfig()), "humanoid": humanoid.make_scene()}
FACTORS = np.float32([1.3, 1.0, 0.7])


@pytest.mark.heavy
@pytest.mark.parametrize("kind", SCENES)
def test_what_is_varied_reads_as_it_was_set(kind):
    """Also of the first scene, whose properties are read again; nothing is said not to have taken."""
    can = registry.ENGINES["isaacgym"].varies
    names = [name for name in can if name != "body_mass" or SCENES[kind].groups]
    sim = registry.make_simulator(
        "isaacgym", SCENES[kind], 3, config(), dict.fromkeys(names, FACTORS)
    )
    assert sim.not_taken == []
    assert set(sim.params) == set(names)
    sim.close()
