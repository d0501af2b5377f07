"""The scene of `goal`: that of any task on these screws, with the marked one and the disc drawn."""

from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.geometry import MARKED
from sim.assets.arm_with_bolts import SceneConfig, Target, make_scene
from sim.scene import Scene


def make_goal_scene(config: GoalConfig, scene: SceneConfig) -> Scene:
    """What is simulated is the same as without a goal."""
    return make_scene(scene, Target(config.goal_pos_m, config.goal_radius_m, MARKED))
