"""What goes into a controller and what is left out of it."""

import jax
import numpy as np
import pytest

from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.policy_file.controller import make_controller
from screwpush_jax.tasks.optional import Exportable, obs_sets
from screwpush_jax.tasks.registry import TASKS
from screwpush_sim.state import home_state

MEMORY = {"memory.joint_targets", "memory.action"}
CASES = [
    ("separate", {}),
    ("separate", {"observation": "set"}),
    ("separate", {"observation": "prototype19"}),
    ("goal", {}),
]


def controller_of(name, options):
    task = TASKS[name](TASKS[name].options(**options))
    algorithm = PPO(PPOConfig(hidden_sizes=(8,)), task.obs_sizes, task.action_size, obs_sets(task))
    policy = algorithm.init(jax.random.key(0)).policy
    return task, make_controller(task, algorithm, policy, task.scene())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), CASES)
def test_only_what_has_a_say_goes_in(name, options):
    _, controller = controller_of(name, options)
    remembered = {n for n in controller.inputs if n.startswith("memory.")}
    all_shown = options.get("observation") != "prototype19"
    assert remembered == (MEMORY if all_shown else {"memory.joint_targets"})
    assert ("robot.joint_vel" in controller.inputs) == all_shown
    assert set(controller.outputs) == {"control", "action", "observation"} | {
        f"{n}.next" for n in remembered
    }


@pytest.mark.slow
def test_at_step_0_the_memory_is_not_read_and_later_it_is():
    _, controller = controller_of("separate", {})
    state = home_state(TASKS["separate"](TASKS["separate"].options()).scene(), 1)
    values = {"robot.joint_pos": state.robot.joint_pos[0]}
    for field in ("pos_w", "quat_w", "linvel_w", "angvel_w"):
        values[f"bodies.screws.{field}"] = getattr(state.bodies["screws"], field)[0]
    blank = {n: np.zeros(x.shape, x.dtype) for n, x in controller.inputs.items()}
    function = jax.jit(controller.function)

    def control(step, offset):
        given = blank | values | {"step": np.int32(step)}
        given["memory.joint_targets"] = np.array(values["robot.joint_pos"]) + np.float32(offset)
        outputs = function(*(given[n] for n in controller.inputs))
        return np.array(dict(zip(controller.outputs, outputs, strict=True))["control"])

    np.testing.assert_array_equal(control(0, 0.0), control(0, 0.1))
    assert np.abs(control(1, 0.0) - control(1, 0.1)).max() > 0.01


@pytest.mark.parametrize("name", ["separate", "goal"])
def test_an_episode_begins_with_the_memory_of_a_start(name):
    task = TASKS[name](TASKS[name].options())
    assert isinstance(task, Exportable)
    assert [axis.name for axis in task.action_axes] == list(task.config.active_axes)
    shapes = task.abstract_starts(1)
    starts = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
    state = home_state(task.scene(), 1)
    pose = task.derive(task.begin(state), state).tip
    starts = starts.replace(state=state, joint_starts_rad=state.robot.joint_pos, tips=pose)
    _, memory = task.reset(starts, np.zeros((2, 1), np.int32), jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, memory, task.begin(state))
