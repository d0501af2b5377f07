"""What the policy sees, and the table that says where each number stands.

Permutation symmetry: the three screws are alike, so `full` lists them in a canonical order (screws
with the nearest neighbour first, the tip's distance breaks ties). The policy then need not learn
the same push once for each naming of the screws. `set` leaves that to the network (`observe_set.py`).
"""

import jax
import jax.numpy as jnp

from screwpush_jax.tasks.parts import Field, SetLayout, in_layout, make_layout
from screwpush_jax.tasks.screws.geometry import pair_distances, pair_indices, safe_norm
from screwpush_jax.tasks.screws.kinematics import TipPose
from screwpush_jax.tasks.screws.observe import (
    UNITS,
    arm_sizes,
    arm_values,
    screw_values,
)
from screwpush_jax.tasks.screws.parking import present
from screwpush_jax.tasks.separate import observe_set
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_sim.state import SimState

_UNITS = (
    UNITS
    | observe_set.UNITS
    | {
        "screw_pos_c": "m, from the centre of the work area, world axes, per screw",
        "pair_distance": "m, pairs 12, 13, .., 23, ..",
        "min_gap": "m, smallest pair distance minus D",
        "tip_pos_w": "m",
        "tip_rpy": "rad, roll pitch yaw of the last link, world axes",
        "screw_pos_w": "m, per screw",
        "min_distance": "m",
    }
)


def layout(config: SeparateConfig, num_screws: int, num_joints: int) -> tuple[Field, ...]:
    """The table of the configured observation."""
    pairs = num_screws * (num_screws - 1) // 2
    clock = {"prev_action": len(config.active_axes), "remaining_time": 1}
    if config.observation == "prototype19":
        sizes = {
            "tip_pos_w": 3,
            "tip_rpy": 3,
            "screw_pos_w": 3 * num_screws,
            "pair_distance": pairs,
            "min_distance": 1,
        }
    elif config.observation == "set":
        sizes = (
            arm_sizes(num_joints)
            | {"closest_middle_tip": 3, "min_gap": 1}
            | clock
            | observe_set.SIZES
        )
    else:
        per_screw = dict.fromkeys(
            ("screw_pos_tip", "screw_pos_c", "screw_axis_w", "screw_linvel_w", "screw_angvel_w"),
            3 * num_screws,
        )
        sizes = arm_sizes(num_joints) | per_screw | {"pair_distance": pairs, "min_gap": 1} | clock
    return make_layout(sizes, _UNITS)


def sets(config: SeparateConfig, fields: tuple[Field, ...]) -> dict[str, SetLayout]:
    """The screws in the configured observation, whose table is `fields`, where they are a set."""
    if config.observation != "set":
        return {}
    (start,) = (field.start for field in fields if field.name == next(iter(observe_set.SIZES)))
    return {"policy": observe_set.set_layout(config.scene.num_screws, start)}


def observe(
    config: SeparateConfig,
    state: SimState,
    tip: TipPose,
    command: TipPose,
    prev_action: jax.Array,
    remaining_time: jax.Array,
) -> jax.Array:
    """Observation `[O]` in the configured layout."""
    fields = layout(config, state.bodies["screws"].pos_w.shape[0], state.robot.joint_pos.shape[0])
    clock = {"prev_action": prev_action, "remaining_time": remaining_time}
    if config.observation == "prototype19":
        return in_layout(fields, _prototype19(state, tip))
    if config.observation == "set":
        return _with_set(config, fields, state, tip, command, clock)
    return in_layout(fields, _full(config, state, tip, command) | clock)


def _with_set(
    config: SeparateConfig,
    fields: tuple[Field, ...],
    state: SimState,
    tip: TipPose,
    command: TipPose,
    clock: dict[str, jax.Array],
) -> jax.Array:
    """All that is of no single screw, and the screws one after the other."""
    pos = state.bodies["screws"].pos_w
    distances, (first, second) = pair_distances(pos), pair_indices(len(pos))
    values = arm_values(config, state, tip, command) | clock
    middles = 0.5 * (pos[first] + pos[second])
    # of a mapped `middles[index]` the converter to ONNX takes y and z elsewhere
    middle = jnp.take(middles, jnp.argmin(distances), axis=0, mode="clip")
    values |= {  # no pair with a parked screw is the closest
        "closest_middle_tip": middle - tip.pos_w,
        "min_gap": jnp.min(distances) - config.separation_m,
    }
    rest = tuple(field for field in fields if field.name in values)
    there = jnp.asarray(present(config, pos))
    members = observe_set.members(config, state, tip, there)
    return jnp.concatenate([in_layout(rest, values), members.reshape(-1)])


def _full(
    config: SeparateConfig, state: SimState, tip: TipPose, command: TipPose
) -> dict[str, jax.Array]:
    order = screw_order(state.bodies["screws"].pos_w, tip.pos_w)
    order = order if config.sort_screws else jnp.arange(order.shape[0])
    pos = state.bodies["screws"].pos_w[order]
    distances = pair_distances(pos)
    apart = {
        "screw_pos_c": pos - jnp.array([[*config.area_center_m, 0.0]]),
        "pair_distance": distances,
        "min_gap": jnp.min(distances) - config.separation_m,
    }
    return arm_values(config, state, tip, command) | screw_values(state, tip, order) | apart


def _prototype19(state: SimState, tip: TipPose) -> dict[str, jax.Array]:
    rot = tip.rotation_w
    distances = pair_distances(state.bodies["screws"].pos_w)
    return {
        "tip_pos_w": tip.pos_w,
        "tip_rpy": jnp.stack(
            [
                jnp.arctan2(rot[2, 1], rot[2, 2]),
                -jnp.arcsin(jnp.clip(rot[2, 0], -1.0, 1.0)),
                jnp.arctan2(rot[1, 0], rot[0, 0]),
            ]
        ),
        "screw_pos_w": state.bodies["screws"].pos_w,
        "pair_distance": distances,
        "min_distance": jnp.min(distances),
    }


def screw_order(screw_pos_w: jax.Array, tip_pos_w: jax.Array) -> jax.Array:
    """Canonical order `[S]` of the screws at `screw_pos_w [S, 3]`."""
    first, second = pair_indices(screw_pos_w.shape[0])
    distances = pair_distances(screw_pos_w)
    nearest = jnp.full(screw_pos_w.shape[0], jnp.inf)
    nearest = nearest.at[first].min(distances).at[second].min(distances)
    return jnp.lexsort((safe_norm(screw_pos_w - tip_pos_w[None]), nearest))
