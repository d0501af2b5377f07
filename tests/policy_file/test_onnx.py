"""What ONNX Runtime computes of every observation is what JAX does (extra `onnx`), in scenes that nobody settled."""

import jax
import numpy as np
import pytest

from screwpush_jax.algorithms.common.set_encoder import SetEncoderConfig
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.policy_file.controller import make_controller
from screwpush_jax.policy_file.formats import FORMS
from screwpush_jax.tasks.optional import obs_sets
from screwpush_jax.tasks.registry import TASKS

pytest.importorskip("jax2onnx")
pytestmark = pytest.mark.heavy
SET = {"observation": "set", "scene": {"num_screws": 4}, "fewest_screws": 2}
CASES = {
    "full": ("separate", {}, "pooling"),
    "prototype19": ("separate", {"observation": "prototype19"}, "pooling"),
    "pooled set": ("separate", SET, "pooling"),
    "set with attention": ("separate", SET, "attention"),
    "goal": ("goal", {}, "pooling"),
    "humanoid": ("humanoid", {"foot_contacts": True}, "pooling"),
}


def scene_like(rng, shapes):
    """Numbers for each input; the last body of several lies where it is parked."""
    values = {
        name: rng.normal(scale=0.3, size=x.shape).astype(x.dtype) for name, x in shapes.items()
    }
    for name in (name for name in values if name.endswith("quat_w")):
        values[name] /= np.linalg.norm(values[name], axis=-1, keepdims=True)
    if "bodies.screws.pos_w" in values:
        values["bodies.screws.pos_w"] += np.float32([-0.75, 0, 0])
        values["bodies.screws.pos_w"][3:] = [-3.0, 3.0, 0.01]
    return values | {"step": np.int32(rng.integers(2))}


@pytest.mark.parametrize("case", CASES)
def test_the_file_is_the_controller(case, tmp_path):
    name, options, kind = CASES[case]
    config_kind = config_type(name)
    task = TASKS[name](from_tree({"task": name, "env": options}, config_kind, config_kind()).env)
    config = PPOConfig(hidden_sizes=(8,), set_encoder=SetEncoderConfig(kind, (8,), 2))
    algorithm = PPO(config, task.obs_sizes, task.action_size, obs_sets(task))
    policy = algorithm.init(jax.random.key(0)).policy
    controller = make_controller(task, algorithm, policy, task.scene())
    FORMS["onnx"].write(tmp_path / "policy.onnx", controller, {})
    loaded, live = FORMS["onnx"].load(tmp_path / "policy.onnx"), jax.jit(controller.function)
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = scene_like(rng, controller.inputs)
        inputs = [values[name] for name in controller.inputs]
        for name, mine, wanted in zip(
            controller.outputs, loaded.controller(*inputs), live(*inputs), strict=True
        ):
            np.testing.assert_allclose(mine, wanted, rtol=1e-3, atol=1e-4, err_msg=name)
