"""The scenes in Isaac Gym: N environments of one arm and S screws on a plane.

What the stubs do not state and this file relies on: the fields of the array of DOF properties, that
a cylinder replaced by a capsule keeps the cylinder's length as its axis, and that a mesh collides
as its convex hull. `python -m sim.isaacgym.doctor` looks at all three.
"""

import math
from typing import Any, List, NamedTuple, Optional

from isaacgym import gymapi

from .messages import Message

TOOL_LINK, WRIST_LINK = "tool", "link5"
_ROD_BIT = 1 << 30
_MAX_SPIN_RAD_S = 1000.0  # Gym's own limit, 64, is a rolling shank of 6 mm radius at 0.38 m/s
_HALF_SPACE_M = 1.5  # an arm reaches no further, and scenes of different groups never meet anyway


class Stage(NamedTuple):
    """What was built. Actor 0 of each environment is the arm, then come the screws."""

    gym: gymapi.Gym
    sim: gymapi.Sim
    viewer: Optional[gymapi.Viewer]


class GymRefusedError(Exception):
    """Isaac Gym answered a call with failure."""


def check(answer: bool, call: str) -> None:
    """Gym reports failure by value; nothing here goes on after one."""
    if not answer:
        raise GymRefusedError(f"Isaac Gym's {call} failed; its log lines say why")


def build(setup: Message) -> Stage:
    """Simulation, assets, actors, `prepare_sim`: in this order, and nothing is added after."""
    gym, options = gymapi.acquire_gym(), setup["gym"]
    graphics = 0 if options["viewer"] else -1  # a headless process that draws crashes on some GPUs
    sim = gym.create_sim(0, graphics, gymapi.SIM_PHYSX, sim_params(setup))
    if sim is None:
        raise GymRefusedError("Isaac Gym's create_sim failed; its log lines say why")
    _add_table(gym, sim, setup["friction"])
    arm = gym.load_asset(sim, setup["folder"], setup["arm_urdf"], _arm_options())
    screw = gym.load_asset(sim, setup["folder"], setup["screw_urdf"], _screw_options())
    if arm is None or screw is None:
        raise GymRefusedError("Isaac Gym's load_asset failed; its log lines say why")
    scenes = [_add_scene(gym, sim, arm, screw, setup, env) for env in range(setup["num_envs"])]
    _check_numbers(scenes)
    viewer = _open_viewer(gym, sim) if options["viewer"] else None
    check(gym.prepare_sim(sim), "prepare_sim")
    return Stage(gym, sim, viewer)


def _check_numbers(scenes: List[List[int]]) -> None:
    """The learner lists actors by these numbers, and the root tensor's rows have this order."""
    numbers = [number for scene in scenes for number in scene]
    if numbers != list(range(len(numbers))):
        raise GymRefusedError(
            f"Isaac Gym numbers the actors of the scenes {scenes[:2]}...; expected scene by scene, in"
            " the order in which they were created"
        )


def sim_params(setup: Message) -> gymapi.SimParams:
    """Isaac Gym's own options from the learner's."""
    options, params = setup["gym"], gymapi.SimParams()
    on_gpu = options["pipeline"] == "gpu"
    params.dt = setup["physics_dt_s"]
    params.substeps = options["substeps"]
    params.up_axis = gymapi.UP_AXIS_Z
    params.gravity = gymapi.Vec3(0.0, 0.0, -9.81)
    params.use_gpu_pipeline = on_gpu
    physx = params.physx
    physx.use_gpu = on_gpu  # the pipeline flag alone changes nothing and says nothing
    physx.num_threads = options["num_threads"]
    physx.solver_type = 1
    physx.num_position_iterations = options["position_iterations"]
    physx.num_velocity_iterations = options["velocity_iterations"]
    physx.contact_offset = options["contact_offset_m"]
    physx.rest_offset = options["rest_offset_m"]
    physx.bounce_threshold_velocity = options["bounce_threshold_m_s"]
    physx.max_depenetration_velocity = options["max_depenetration_m_s"]
    physx.max_gpu_contact_pairs = options["max_gpu_contact_pairs"]
    physx.default_buffer_size_multiplier = options["buffer_multiplier"]
    physx.contact_collection = gymapi.CC_NEVER  # contacts are never read
    return params


def _add_table(gym: gymapi.Gym, sim: gymapi.Sim, friction: float) -> None:
    plane = gymapi.PlaneParams()
    plane.normal = gymapi.Vec3(0.0, 0.0, 1.0)
    plane.distance = 0.0
    plane.static_friction = plane.dynamic_friction = friction
    plane.restitution = 0.0
    gym.add_ground(sim, plane)


def _arm_options() -> gymapi.AssetOptions:
    options = _shared_options()
    options.fix_base_link = True
    options.disable_gravity = True  # a real controller compensates the arm's weight
    options.default_dof_drive_mode = int(gymapi.DOF_MODE_POS)
    return options


def _screw_options() -> gymapi.AssetOptions:
    options = _shared_options()
    options.fix_base_link = False
    options.disable_gravity = False
    options.max_angular_velocity = _MAX_SPIN_RAD_S
    return options


def _shared_options() -> gymapi.AssetOptions:
    options = gymapi.AssetOptions()
    options.collapse_fixed_joints = False  # the rod keeps its own link, found by name below
    options.replace_cylinder_with_capsule = True
    options.override_com = False
    options.override_inertia = False
    options.linear_damping = 0.0
    options.angular_damping = 0.0
    options.armature = 0.0
    return options


def _add_scene(
    gym: gymapi.Gym,
    sim: gymapi.Sim,
    arm: gymapi.Asset,
    screw: gymapi.Asset,
    setup: Message,
    index: int,
) -> List[int]:
    """One environment: its own collision group, the same order of actors as in every other."""
    half, per_row = _HALF_SPACE_M, max(1, int(math.sqrt(setup["num_envs"])))
    lower, upper = gymapi.Vec3(-half, -half, 0.0), gymapi.Vec3(half, half, half)
    env = gym.create_env(sim, lower, upper, per_row)
    spots, assets = setup["screw_spots_w"], (arm, screw)
    bodies, shapes = (
        [count(asset) for asset in assets]
        for count in (gym.get_asset_rigid_body_count, gym.get_asset_rigid_shape_count)
    )
    many = len(spots)
    check(
        gym.begin_aggregate(env, bodies[0] + many * bodies[1], shapes[0] + many * shapes[1], True),
        "begin_aggregate",
    )
    handle = gym.create_actor(env, arm, _pose(setup["base_pos_w"]), "arm", index, 0, 0)
    _set_arm(gym, env, handle, arm, setup)
    handles = [handle]
    for number, spot in enumerate(spots):
        handle = gym.create_actor(env, screw, _pose(spot), "screw", index, 0, 0)
        _set_shapes(gym, env, handle, setup["friction"], {}, 1 << number)
        handles.append(handle)
    check(gym.end_aggregate(env), "end_aggregate")
    return [gym.get_actor_index(env, handle, gymapi.DOMAIN_SIM) for handle in handles]


def _set_arm(
    gym: gymapi.Gym, env: gymapi.Env, handle: int, asset: gymapi.Asset, setup: Message
) -> None:
    """Drives, and who meets whom: the rod all but the wrist, the wrist nothing but the table.

    Two shapes that share a bit do not meet. Each screw has a bit of its own, so that screws meet
    each other and the rod; the wrist has all of them.
    """
    props = gym.get_actor_dof_properties(env, handle)
    for name in ("driveMode", "stiffness", "damping", "effort", "velocity", "armature"):
        if name not in props.dtype.names:
            raise GymRefusedError("Isaac Gym's DOF properties lack the field " + repr(name))
    for row, drive in enumerate(setup["drives"]):
        props["driveMode"][row] = int(gymapi.DOF_MODE_POS)
        for name, value in drive.items():
            props[name][row] = value
    check(gym.set_actor_dof_properties(env, handle, props), "set_actor_dof_properties")
    names = gym.get_asset_rigid_body_names(asset)
    ranges = gym.get_asset_rigid_body_shape_indices(asset)
    wrist = _ROD_BIT | ((1 << len(setup["screw_spots_w"])) - 1)
    bits = {}
    for link, value in ((TOOL_LINK, _ROD_BIT), (WRIST_LINK, wrist)):
        shapes = ranges[names.index(link)]
        bits.update({shapes.start + i: value for i in range(shapes.count)})
    _set_shapes(gym, env, handle, setup["friction"], bits, 0)


def _set_shapes(
    gym: gymapi.Gym, env: gymapi.Env, handle: int, friction: float, bits: Any, other: int
) -> None:
    """Friction and filter of each shape; fixed after `prepare_sim` on the GPU pipeline."""
    props = gym.get_actor_rigid_shape_properties(env, handle)
    for number, shape in enumerate(props):
        shape.friction = friction
        shape.restitution = 0.0
        shape.filter = bits.get(number, other)
    check(
        gym.set_actor_rigid_shape_properties(env, handle, props), "set_actor_rigid_shape_properties"
    )


def _pose(pos: List[float]) -> gymapi.Transform:
    return gymapi.Transform(gymapi.Vec3(*pos), gymapi.Quat(0.0, 0.0, 0.0, 1.0))


def _open_viewer(gym: gymapi.Gym, sim: gymapi.Sim) -> gymapi.Viewer:
    viewer = gym.create_viewer(sim, gymapi.CameraProperties())
    if viewer is None:
        raise GymRefusedError("Isaac Gym's create_viewer failed; set isaacgym.viewer to false")
    return viewer
