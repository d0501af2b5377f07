"""What is done on the device between PhysX's tensors, the contract's views and what JAX lends.

Each array of a state has one row per scene here. Where a scene stands in PhysX, its *place*, is its
origin away from where the contract shows it.
"""

# pyright: reportIndexIssue=false, reportInvalidTypeForm=false, reportArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOperatorIssue=false
# pyright: reportAssignmentType=false, reportCallIssue=false
# warp's kernels are a language of their own.

import warp as wp

_HUGE = wp.constant(1e9)
"""Beyond this a number is none: PhysX computes boxes of what it is given, in float32."""


@wp.kernel
def take_control(
    asked: wp.array2d(dtype=float),
    low: wp.array(dtype=float),
    high: wp.array(dtype=float),
    order: wp.array(dtype=int),
    kept: wp.array2d(dtype=float),
    torque: wp.array(dtype=wp.bool),
    gain: wp.array(dtype=float),
    targets: wp.array2d(dtype=float),
    forces: wp.array2d(dtype=float),
):
    """Clips the controls, in the scene's order, into targets and torques in PhysX's."""
    env, place = wp.tid()
    joint = order[place]
    if not wp.isnan(asked[env, joint]):
        kept[env, joint] = wp.clamp(asked[env, joint], low[joint], high[joint])
    if torque[joint]:
        forces[env, place] = gain[env] * kept[env, joint]
    else:
        targets[env, place] = kept[env, joint]


@wp.func
def _is_sound(new: wp.array2d(dtype=float), env: int):
    sound = bool(True)  # noqa: UP018
    for column in range(new.shape[1]):
        if not (wp.abs(new[env, column]) < _HUGE):
            sound = bool(False)  # noqa: UP018
    return sound


@wp.func
def _copy_row(new: wp.array2d(dtype=float), env: int, view: wp.array2d(dtype=float)):
    for column in range(new.shape[1]):
        view[env, column] = new[env, column]


@wp.func
def _place_row(
    pose: wp.array2d(dtype=float),
    env: int,
    origin: wp.vec2,
    sign: float,
    out: wp.array2d(dtype=float),
):
    for column in range(pose.shape[1]):
        value = pose[env, column]
        axis = column % 7
        if axis < 2:
            value += sign * origin[axis]
        out[env, column] = value


@wp.func
def _spoil_row(view: wp.array2d(dtype=float), env: int):
    for column in range(view.shape[1]):
        view[env, column] = wp.nan


@wp.kernel
def take_state(
    mask: wp.array(dtype=wp.bool),
    origins: wp.array(dtype=wp.vec2),
    new_joint_pos: wp.array2d(dtype=float),
    new_joint_vel: wp.array2d(dtype=float),
    new_base_pose: wp.array2d(dtype=float),
    new_base_velocity: wp.array2d(dtype=float),
    new_body_pose: wp.array2d(dtype=float),
    new_body_velocity: wp.array2d(dtype=float),
    joint_pos: wp.array2d(dtype=float),
    joint_vel: wp.array2d(dtype=float),
    base_pose: wp.array2d(dtype=float),
    base_velocity: wp.array2d(dtype=float),
    body_pose: wp.array2d(dtype=float),
    body_velocity: wp.array2d(dtype=float),
    placed_base: wp.array2d(dtype=float),
    placed_body: wp.array2d(dtype=float),
    broken: wp.array(dtype=wp.bool),
    given: wp.array(dtype=wp.uint8),
    given_bodies: wp.array2d(dtype=wp.uint8),
    intact: wp.array(dtype=wp.uint8),
    intact_bodies: wp.array2d(dtype=wp.uint8),
    any_given: wp.array(dtype=int),
):
    """Puts the masked rows into the views, and says which of them PhysX is to be given: the sound ones.

    Those of earlier calls stay to be given. `intact` are the scenes that are not broken, written or not.
    """
    env = wp.tid()
    if mask[env]:
        sound = (
            _is_sound(new_joint_pos, env)
            and _is_sound(new_joint_vel, env)
            and _is_sound(new_base_pose, env)
            and _is_sound(new_base_velocity, env)
            and _is_sound(new_body_pose, env)
            and _is_sound(new_body_velocity, env)
        )
        broken[env] = not sound
        _copy_row(new_joint_pos, env, joint_pos)
        _copy_row(new_joint_vel, env, joint_vel)
        _copy_row(new_base_pose, env, base_pose)
        _copy_row(new_base_velocity, env, base_velocity)
        _copy_row(new_body_pose, env, body_pose)
        _copy_row(new_body_velocity, env, body_velocity)
        _place_row(new_base_pose, env, origins[env], 1.0, placed_base)
        _place_row(new_body_pose, env, origins[env], 1.0, placed_body)
        given[env] = wp.where(sound, wp.uint8(1), wp.uint8(0))
        if sound:
            any_given[0] = 1
    intact[env] = wp.where(broken[env], wp.uint8(0), wp.uint8(1))
    for body in range(given_bodies.shape[1]):
        given_bodies[env, body] = given[env]
        intact_bodies[env, body] = intact[env]


@wp.kernel
def show_state(
    origins: wp.array(dtype=wp.vec2),
    broken: wp.array(dtype=wp.bool),
    placed_base: wp.array2d(dtype=float),
    placed_body: wp.array2d(dtype=float),
    joint_pos: wp.array2d(dtype=float),
    joint_vel: wp.array2d(dtype=float),
    base_pose: wp.array2d(dtype=float),
    base_velocity: wp.array2d(dtype=float),
    body_pose: wp.array2d(dtype=float),
    body_velocity: wp.array2d(dtype=float),
):
    """Poses where each scene is at home; what was given up is no number until it is written anew."""
    env = wp.tid()
    _place_row(placed_base, env, origins[env], -1.0, base_pose)
    _place_row(placed_body, env, origins[env], -1.0, body_pose)
    if broken[env]:
        _spoil_row(joint_pos, env)
        _spoil_row(joint_vel, env)
        _spoil_row(base_pose, env)
        _spoil_row(base_velocity, env)
        _spoil_row(body_pose, env)
        _spoil_row(body_velocity, env)
