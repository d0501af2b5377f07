"""What the policy sees, and the table that says where each number stands.

Permutation symmetry: the marked screw comes first; the others are alike, so they follow in a canonical
order, the nearest to the marked one in front, which may be in its way.
"""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.geometry import MARKED, goal_distance
from screwpush_jax.tasks.parts import Field, in_layout, make_layout
from screwpush_jax.tasks.screws.geometry import safe_norm
from screwpush_jax.tasks.screws.kinematics import TipPose
from screwpush_jax.tasks.screws.observe import (
    UNITS,
    arm_sizes,
    arm_values,
    screw_values,
)
from screwpush_sim.state import SimState

_UNITS = UNITS | {
    "goal_pos_tip": "m, disc's centre from the tip, world axes",
    "screw_pos_goal": "m, from the disc's centre, world axes, per screw",
    "goal_distance": "m, marked screw to the disc's centre in the plane",
}


def layout(config: GoalConfig, num_screws: int, num_joints: int) -> tuple[Field, ...]:
    """The table of the observation; of the screws, the marked one comes first."""
    per_screw = ("screw_pos_tip", "screw_pos_goal", "screw_axis_w")
    moving = ("screw_linvel_w", "screw_angvel_w")
    sizes = (
        arm_sizes(num_joints)
        | {"goal_pos_tip": 3}
        | dict.fromkeys((*per_screw, *moving), 3 * num_screws)
        | {"goal_distance": 1}
        | {"prev_action": len(config.active_axes), "remaining_time": 1}
    )
    return make_layout(sizes, _UNITS)


def observe(
    config: GoalConfig,
    state: SimState,
    tip: TipPose,
    command: TipPose,
    prev_action: jax.Array,
    remaining_time: jax.Array,
) -> jax.Array:
    """Observation `[O]` in the layout."""
    pos_w = state.bodies["screws"].pos_w
    order = screw_order(pos_w)
    goal_w = jnp.array([*config.goal_pos_m, 0.0])
    values = arm_values(config, state, tip, command) | screw_values(state, tip, order)
    values |= {
        "goal_pos_tip": goal_w - tip.pos_w,
        "screw_pos_goal": pos_w[order] - goal_w[None],
        "goal_distance": goal_distance(config.goal_pos_m, state),
        "prev_action": prev_action,
        "remaining_time": remaining_time,
    }
    return in_layout(layout(config, pos_w.shape[0], state.robot.joint_pos.shape[0]), values)


def screw_order(screw_pos_w: jax.Array) -> jax.Array:
    """Canonical order `[S]` of the screws at `screw_pos_w [S, 3]`: by distance to the marked one."""
    distance = safe_norm(screw_pos_w - screw_pos_w[MARKED][None])
    return jnp.argsort(distance.at[MARKED].set(-1.0))
