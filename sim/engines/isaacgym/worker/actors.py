"""What each actor is told: drives, and how its shapes touch and whom.

What the stubs do not state and these files rely on: the fields of the array of DOF properties, that
a cylinder replaced by a capsule keeps the cylinder's length as its axis, and that a mesh collides
as its convex hull. `python -m screwpush_sim.engines.isaacgym.doctor` looks at all three.
"""

from typing import Any, Dict, List, NamedTuple

from isaacgym import gymapi

from .messages import Message
from .refusal import GymRefusedError, check

_DRIVE_MODES = {"position": gymapi.DOF_MODE_POS, "torque": gymapi.DOF_MODE_EFFORT}

Values = Dict[str, Any]
"""Fields of one of Gym's records of properties."""


class Actor(NamedTuple):
    """One actor of an environment, and what its properties are meant to be."""

    handle: int
    name: str
    bodies: List[str]  # owners of the masses in `setup["masses"]`, in Gym's order
    shapes: List[Values]
    dofs: List[Values]
    mass: float = 1.0
    """Factor on the masses there, and on the moments of inertia."""


def set_body(
    gym: gymapi.Gym,
    env: gymapi.Env,
    handle: int,
    group: Message,
    bits: int,
    setup: Message,
    index: int,
) -> Actor:
    """A free body of scene number `index`; `bits` are its shapes' filter."""
    shapes, mass = _shape_values(group, bits, setup), _factor(setup, "body_mass", index)
    actor = Actor(handle, group["name"], [group["name"]], shapes, [], mass)
    _set_shapes(gym, env, actor)
    _set_masses(gym, env, actor)
    return actor


def set_robot(
    gym: gymapi.Gym, env: gymapi.Env, handle: int, asset: gymapi.Asset, setup: Message, index: int
) -> Actor:
    """Drives of scene number `index`, and who meets whom: two shapes that share a bit of their filters
    do not meet."""
    by_name = {link["name"]: link for link in setup["scene"]["robot"]["links"]}
    names, shapes = list(gym.get_asset_rigid_body_names(asset)), []
    ranges = gym.get_asset_rigid_body_shape_indices(asset)
    for _, name in sorted(zip([range_.start for range_ in ranges], names)):
        shapes += _shape_values(by_name[name], setup["link_filters"].get(name, 0), setup)
    dofs, mass = _dof_values(setup, index), _factor(setup, "robot_mass", index)
    actor = Actor(handle, "robot", names, shapes, dofs, mass)
    props = gym.get_actor_dof_properties(env, handle)
    for row, values in enumerate(actor.dofs):
        for name, value in values.items():
            if name not in props.dtype.names:
                raise GymRefusedError("Isaac Gym's DOF properties lack the field " + repr(name))
            props[name][row] = value
    check(gym.set_actor_dof_properties(env, handle, props), "set_actor_dof_properties")
    _set_shapes(gym, env, actor)
    _set_masses(gym, env, actor)
    return actor


def _factor(setup: Message, name: str, index: int) -> float:
    """By which scene number `index` differs from what the scene says."""
    return setup["params"][name][index] if name in setup["params"] else 1.0


def _dof_values(setup: Message, index: int) -> List[Values]:
    """What damps a joint by itself is no part of its drive."""
    joints = [link["joint"] for link in setup["scene"]["robot"]["links"] if link["joint"]]
    gain, values = _factor(setup, "drive_gain", index), []
    for drive, own, joint in zip(setup["drives"], setup["joint_damping"], joints):
        values.append(dict(drive, driveMode=int(_DRIVE_MODES[joint["drive"]["kind"]])))
        if gain != 1.0:
            values[-1]["stiffness"] = gain * drive["stiffness"]
            values[-1]["damping"] = gain * (drive["damping"] - own) + own
    return values


def _set_masses(gym: gymapi.Gym, env: gymapi.Env, actor: Actor) -> None:
    """Masses, and moments of inertia with them; the centre of mass stays."""
    if actor.mass == 1.0:
        return
    props = gym.get_actor_rigid_body_properties(env, actor.handle)
    for body in props:
        body.mass = actor.mass * body.mass
        rows = body.inertia.x, body.inertia.y, body.inertia.z
        body.inertia.x, body.inertia.y, body.inertia.z = (
            gymapi.Vec3(actor.mass * row.x, actor.mass * row.y, actor.mass * row.z) for row in rows
        )
    answer = gym.set_actor_rigid_body_properties(env, actor.handle, props, False)
    check(answer, "set_actor_rigid_body_properties")


def _shape_values(owner: Message, bits: int, setup: Message) -> List[Values]:
    """What each shape of a link or a body is told."""
    options = setup["gym"]
    shared = {
        "restitution": 0.0,
        "filter": bits,
        "contact_offset": options["contact_offset_m"],
        "rest_offset": options["rest_offset_m"],
    }
    usual = setup["scene"]["physics"]["friction"]
    return [dict(shared, friction=_friction(shape, usual)) for shape in owner["shapes"]]


def _friction(shape: Message, usual: float) -> float:
    """The larger of two shapes' frictions is meant to count, PhysX takes their mean.

    The two are made to agree for a shape that meets the ground alone, whose friction is the usual one.
    """
    own = usual if shape["friction"] is None else shape["friction"]
    return 2.0 * max(own, usual) - usual if shape["meets"] == "ground" else own


def _set_shapes(gym: gymapi.Gym, env: gymapi.Env, actor: Actor) -> None:
    """Fixed after `prepare_sim` on the GPU pipeline."""
    props = gym.get_actor_rigid_shape_properties(env, actor.handle)
    if len(props) != len(actor.shapes):
        raise GymRefusedError(
            f"Isaac Gym made {len(props)} shapes of {actor.bodies}; expected {len(actor.shapes)}"
        )
    for shape, values in zip(props, actor.shapes):
        shape.friction, shape.restitution = values["friction"], values["restitution"]
        shape.contact_offset, shape.rest_offset = values["contact_offset"], values["rest_offset"]
        shape.filter = values["filter"]
    answer = gym.set_actor_rigid_shape_properties(env, actor.handle, props)
    check(answer, "set_actor_rigid_shape_properties")
