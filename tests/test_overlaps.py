"""The oracle of overlaps, against overlaps worked out by hand."""

import jax
import numpy as np
import pytest

from benchmarks.contacts import PAIRS, OverlapMeter
from benchmarks.overlaps import changed_world, changes
from screwpush_jax.config import config_type, from_tree
from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.assets.bolt import Bolt
from screwpush_sim.state import home_state

SCENE = make_scene(SceneConfig())
ROD_X = (
    -0.75
)  # at home the rod stands there on the world's x axis, to 0.02 mm, 3 cm above the table
BOLT = Bolt()
FAR = [0.5, 0.5, 0.5], [0.5, -0.5, 0.5]


def deepest_mm(*pos_w, quat_wxyz=(1.0, 0.0, 0.0, 0.0)) -> dict[str, float]:
    """Of one scene: the arm at home, bolts at these places, turned alike or one by one."""
    state = jax.tree.map(np.array, home_state(SCENE, 1))
    quat = np.broadcast_to(np.float32(quat_wxyz), (1, 3, 4))
    state = state.with_bodies("screws", pos_w=np.float32([pos_w]), quat_w=quat)
    found = OverlapMeter(SCENE).deepest_m(state)
    assert tuple(found) == PAIRS
    return {pair: 1e3 * float(depth[0]) for pair, depth in found.items() if depth[0]}


def test_what_does_not_touch_does_not_overlap():
    assert deepest_mm([ROD_X, 0.2, 0.1], *FAR) == {}


def test_a_bolt_is_as_deep_in_the_table_as_its_head():
    """Two sides of the hexagon are level, its corners at +y and -y: the head reaches to its apothem."""
    apothem = BOLT.head_across_corners_m / 2 * np.sqrt(3) / 2
    found = deepest_mm([0.5, 0.0, apothem - 0.0007], *FAR)
    assert found == {"bolt-table": pytest.approx(0.7, abs=1e-3)}


def test_shanks_side_by_side_are_as_deep_in_each_other_as_they_are_too_close():
    """Turned about and shifted, so that each one's head is beyond the other's tail."""
    apart = 2 * BOLT.shank_radius_m - 0.0004
    about_z = (1, 0, 0, 0), (0, 0, 0, 1), (1, 0, 0, 0)
    found = deepest_mm([0.5, 0.0, 0.3], [0.48, apart, 0.3], FAR[0], quat_wxyz=about_z)
    assert found == {"bolt-bolt": pytest.approx(0.4, abs=1e-3)}


@pytest.mark.parametrize("depth_mm", [0.3, 2.0])
def test_a_shank_before_the_rod_is_as_deep_in_it_as_it_is_too_close(depth_mm):
    apart = elfin15.ROD_RADIUS_M + BOLT.shank_radius_m - 1e-3 * depth_mm
    along_y = (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))
    found = deepest_mm([ROD_X + apart, 0.0, 0.08], *FAR, quat_wxyz=along_y)
    assert found == {"rod-bolt": pytest.approx(depth_mm, abs=0.02)}


def test_changes_are_read_by_their_kind():
    given = "dt_s=1e-3", "decimation=50", "cone=elliptic", "contact_impedance=[0.95, 0.99]"
    assert changes(given) == {
        "dt_s": 0.001,
        "decimation": 50,
        "cone": "elliptic",
        "contact_impedance": (0.95, 0.99),
    }


@pytest.mark.parametrize(
    ("tree", "read", "has_critic"),
    [
        ({"env": {"observation": "set"}}, {"policy", "policy.members"}, True),
        ({"env": {"disturbance": {"asymmetric_critic": True}}}, {"policy", "critic"}, True),
        ({"algorithm": "grpo"}, {"policy"}, False),
    ],
)
def test_a_changed_world_takes_the_policy_of_any_training(tree, read, has_critic):
    kind = config_type(algorithm=tree.get("algorithm", "ppo"))
    config = from_tree({"sim": "mujoco", **tree}, kind, kind())
    world = changed_world(config, 2, {"dt_s": 0.0025}, {"num_threads": 1}, each_physics_step=True)
    try:
        physics, plain = world.sim.spec.scene.physics, config.env.scene.physics.eval
        policy = jax.eval_shape(world.algorithm.init, jax.random.key(0)).policy
    finally:
        world.close()
    assert (physics.dt_s, physics.decimation) == (0.0025, 1)
    assert physics.solver_iterations == plain.solver_iterations  # all else as it was
    assert set(policy.obs_moments) == read
    assert ("critic" in policy.params["params"]) == has_critic
