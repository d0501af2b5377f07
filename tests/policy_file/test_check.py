"""What is refused because it is not the live policy."""

import jax
import numpy as np
import pytest

from screwpush_jax.errors import UsageError
from screwpush_jax.policy_file.check import compare
from screwpush_jax.policy_file.controller import Controller
from screwpush_jax.policy_file.formats import Loaded
from screwpush_jax.policy_file.recorded import Recorded

M = 7
NUMBER = jax.ShapeDtypeStruct((2,), np.float32)
CONTROLLER = Controller(
    lambda *_: (),
    {"robot.joint_pos": NUMBER, "memory.x": NUMBER},
    {"observation": NUMBER, "control": NUMBER, "memory.x.next": NUMBER},
    lambda obs: obs,
)
RNG = np.random.default_rng(0)
POS, X, OBS = (RNG.normal(size=(M, 2)).astype(np.float32) for _ in range(3))
AFTER = {"control": POS + X, "memory.x.next": X + 1, "memory.left_out.next": X}
RECORDED = Recorded({"robot.joint_pos": POS, "memory.x": X, "step": np.arange(M)}, AFTER, None)
SEEN = {"observation": OBS, "action": 2 * OBS}


def loaded(action=0.0, control=0.0, memory=0.0):
    """Exported functions that are wrong by so much at the last step alone."""
    last = OBS[-1], X[-1]

    def wrong(value, at):
        return value if (at == last[0]).all() or (at == last[1]).all() else 0.0

    return Loaded(
        lambda pos, x: [OBS[0], pos + x + wrong(control, x), x + 1 - wrong(memory, x)],
        lambda obs: 2 * obs + wrong(action, obs),
    )


@pytest.mark.parametrize("wrong", [{}, {"action": 5e-6}, {"control": 5e-5}, {"memory": 5e-4}])
def test_small_differences_are_allowed_and_told(wrong):
    found = compare(loaded(**wrong), CONTROLLER, RECORDED, SEEN)
    assert found.steps == M
    assert found.action == pytest.approx(wrong.get("action", 0.0), abs=1e-6)
    assert found.control == pytest.approx(wrong.get("control", 0.0), abs=1e-6)
    assert found.memory == pytest.approx(wrong.get("memory", 0.0), abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": 2e-5},
        {"control": -2e-4},
        {"memory": 2e-3},
        {"control": np.nan},
        {"action": np.nan},
    ],
)
def test_larger_ones_are_refused(wrong):
    with pytest.raises(UsageError, match="is not the live one: over 7 recorded"):
        compare(loaded(**wrong), CONTROLLER, RECORDED, SEEN)
