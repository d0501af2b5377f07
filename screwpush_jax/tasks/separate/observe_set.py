"""The observation `set`: the screws as members of equal kind, in no order, of any number.

What the sorted layout says by pairs each screw says here of itself: how far its nearest neighbour is,
and where; beside them stands where the closest pair is. So no number belongs to one of them, and none
depends on how many there are.
"""

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.parts import SetLayout
from screwpush_jax.tasks.screws.geometry import safe_norm
from screwpush_jax.tasks.screws.kinematics import TipPose
from screwpush_jax.tasks.screws.observe import screw_values
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_sim.state import SimState

UNITS = {
    "closest_middle_tip": "m, from the tip to the middle of the closest pair, world axes",
    "screw_is_there": "1 where there is such a screw; all its other numbers are 0 where there is none",
    "screw_nearest_offset": "m, from it to its nearest neighbour, world axes",
    "screw_nearest_gap": "m, distance of its nearest neighbour minus D",
}
SIZES = {
    "screw_is_there": 1,
    **dict.fromkeys(("screw_pos_tip", "screw_pos_c", "screw_axis_w"), 3),
    **dict.fromkeys(("screw_linvel_w", "screw_angvel_w", "screw_nearest_offset"), 3),
    "screw_nearest_gap": 1,
}
"""What one screw says, in this order."""
MEMBERS = "screws"
"""All that the screws say, one screw after the other."""


def set_layout(num_screws: int, start: int) -> SetLayout:
    """Where the screws stand in an observation whose other numbers end at `start`."""
    return SetLayout(start, num_screws, sum(SIZES.values()))


def members(config: SeparateConfig, state: SimState, tip: TipPose, there: jax.Array) -> jax.Array:
    """What each screw says, `[S, F]`; `there [S]` bool."""
    pos = state.bodies["screws"].pos_w
    offset = pos[None] - pos[:, None]  # [S, S, 3], from the first to the second
    apart = safe_norm(offset) + np.where(np.eye(len(pos)), np.float32(np.inf), np.float32(0.0))
    nearest = jnp.argmin(apart, axis=1)
    rows = jnp.arange(len(pos))
    values = screw_values(state, tip, rows) | {
        "screw_is_there": there[:, None].astype(jnp.float32),
        "screw_pos_c": pos - jnp.array([[*config.area_center_m, 0.0]]),
        "screw_nearest_offset": offset[rows, nearest],
        "screw_nearest_gap": jnp.min(apart, axis=1, keepdims=True) - config.separation_m,
    }
    says = jnp.concatenate([values[name] for name in SIZES], axis=-1)
    return jnp.where(there[:, None], says, 0.0)
