"""The scenes in Isaac Gym: N environments of one robot and B bodies on a plane.

What the stubs do not state and this file relies on: the fields of the array of DOF properties, that
a cylinder replaced by a capsule keeps the cylinder's length as its axis, and that a mesh collides
as its convex hull. `python -m screwpush_sim.engines.isaacgym.doctor` looks at all three.
"""

import math
from typing import Dict, List, NamedTuple, Optional, Tuple

from isaacgym import gymapi

from .messages import Message

_MAX_SPIN_RAD_S = 1000.0  # Gym's own limit, 64, is a cylinder of 6 mm radius that rolls at 0.38 m/s
_HALF_SPACE_M = 1.5  # how far apart they are drawn; scenes of different groups never meet anyway


class Stage(NamedTuple):
    """What was built. Actor 0 of each environment is the robot, then come the bodies."""

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
    scene = setup["scene"]
    _add_ground(gym, sim, scene["physics"]["friction"])
    files = [setup["robot_urdf"]] + setup["group_urdfs"]
    options_of = [_robot_options(scene["robot"])] + [_body_options() for _ in scene["groups"]]
    assets = []
    for file, asset_options in zip(files, options_of):
        assets.append(gym.load_asset(sim, setup["folder"], file, asset_options))
        if assets[-1] is None:
            raise GymRefusedError("Isaac Gym's load_asset failed; its log lines say why")
    _check_joints(gym, assets[0], scene["robot"])
    scenes = [_add_scene(gym, sim, assets, setup, env) for env in range(setup["num_envs"])]
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


def _check_joints(gym: gymapi.Gym, robot: gymapi.Asset, scene: Message) -> None:
    """The columns of the DOF tensor have this order."""
    wanted = [link["joint"]["name"] for link in scene["links"] if link["joint"] is not None]
    found = list(gym.get_asset_dof_names(robot))
    if found != wanted:
        raise GymRefusedError(f"Isaac Gym orders the joints {found}; expected {wanted}")


def sim_params(setup: Message) -> gymapi.SimParams:
    """Isaac Gym's own options from the learner's."""
    options, physics, params = setup["gym"], setup["scene"]["physics"], gymapi.SimParams()
    on_gpu = options["pipeline"] == "gpu"
    params.dt = physics["dt_s"]
    params.substeps = options["substeps"]
    params.up_axis = gymapi.UP_AXIS_Z
    params.gravity = gymapi.Vec3(*physics["gravity_m_s2"])
    params.use_gpu_pipeline = on_gpu
    physx = params.physx
    physx.use_gpu = on_gpu  # the pipeline flag alone changes nothing and says nothing
    physx.num_threads = options["num_threads"]
    physx.solver_type = 1
    iterations = physics["solver_iterations"] or options["position_iterations"]
    physx.num_position_iterations = iterations
    physx.num_velocity_iterations = options["velocity_iterations"]
    physx.contact_offset = options["contact_offset_m"]
    physx.rest_offset = options["rest_offset_m"]
    physx.bounce_threshold_velocity = options["bounce_threshold_m_s"]
    physx.max_depenetration_velocity = options["max_depenetration_m_s"]
    physx.max_gpu_contact_pairs = options["max_gpu_contact_pairs"]
    physx.default_buffer_size_multiplier = options["buffer_multiplier"]
    read = setup["scene"]["contact_links"]  # those of the last substep, as the contract says
    physx.contact_collection = gymapi.CC_LAST_SUBSTEP if read else gymapi.CC_NEVER
    return params


def _add_ground(gym: gymapi.Gym, sim: gymapi.Sim, friction: float) -> None:
    plane = gymapi.PlaneParams()
    plane.normal = gymapi.Vec3(0.0, 0.0, 1.0)
    plane.distance = 0.0
    plane.static_friction = plane.dynamic_friction = friction
    plane.restitution = 0.0
    gym.add_ground(sim, plane)


def _robot_options(robot: Message) -> gymapi.AssetOptions:
    options = _shared_options()
    options.fix_base_link = robot["base"] == "fixed"
    options.disable_gravity = robot["gravity_compensated"]
    options.default_dof_drive_mode = int(gymapi.DOF_MODE_NONE)  # each joint's own is set below
    return options


def _body_options() -> gymapi.AssetOptions:
    options = _shared_options()
    options.fix_base_link = False
    options.disable_gravity = False
    options.max_angular_velocity = _MAX_SPIN_RAD_S
    return options


def _shared_options() -> gymapi.AssetOptions:
    options = gymapi.AssetOptions()
    options.collapse_fixed_joints = False  # each link is found by its name below
    options.replace_cylinder_with_capsule = True
    options.override_com = False
    options.override_inertia = False
    options.linear_damping = 0.0
    options.angular_damping = 0.0
    options.armature = 0.0
    return options


def _add_scene(
    gym: gymapi.Gym, sim: gymapi.Sim, assets: List[gymapi.Asset], setup: Message, index: int
) -> List[int]:
    """One environment: its own collision group, the same order of actors as in every other."""
    half, per_row = _HALF_SPACE_M, max(1, int(math.sqrt(setup["num_envs"])))
    lower, upper = gymapi.Vec3(-half, -half, 0.0), gymapi.Vec3(half, half, half)
    env = gym.create_env(sim, lower, upper, per_row)
    robot, groups = setup["scene"]["robot"], setup["scene"]["groups"]
    counts = [1] + [len(group["start_pos_w"]) for group in groups]
    bodies, shapes = (
        sum(count * size(asset) for count, asset in zip(counts, assets))
        for size in (gym.get_asset_rigid_body_count, gym.get_asset_rigid_shape_count)
    )
    check(gym.begin_aggregate(env, bodies, shapes, True), "begin_aggregate")
    pose = _pose(robot["links"][0]["offset_m"])
    handle = gym.create_actor(env, assets[0], pose, "robot", index, 0, 0)
    _set_robot(gym, env, handle, assets[0], setup)
    handles = [handle]
    for group, asset, filters in zip(groups, assets[1:], setup["group_filters"]):
        for spot, bits in zip(group["start_pos_w"], filters):
            handle = gym.create_actor(env, asset, _pose(spot), group["name"], index, 0, 0)
            _set_shapes(gym, env, handle, _shape_values(group, bits, setup))
            handles.append(handle)
    check(gym.end_aggregate(env), "end_aggregate")
    return [gym.get_actor_index(env, handle, gymapi.DOMAIN_SIM) for handle in handles]


def _set_robot(
    gym: gymapi.Gym, env: gymapi.Env, handle: int, asset: gymapi.Asset, setup: Message
) -> None:
    """Drives, and who meets whom: two shapes that share a bit of their filters do not meet."""
    links = setup["scene"]["robot"]["links"]
    kinds = [link["joint"]["drive"]["kind"] for link in links if link["joint"] is not None]
    modes = {"position": gymapi.DOF_MODE_POS, "torque": gymapi.DOF_MODE_EFFORT}
    props = gym.get_actor_dof_properties(env, handle)
    for name in ("driveMode", "stiffness", "damping", "effort", "velocity", "armature"):
        if name not in props.dtype.names:
            raise GymRefusedError("Isaac Gym's DOF properties lack the field " + repr(name))
    for row, (drive, kind) in enumerate(zip(setup["drives"], kinds)):
        props["driveMode"][row] = int(modes[kind])
        for name, value in drive.items():
            props[name][row] = value
    check(gym.set_actor_dof_properties(env, handle, props), "set_actor_dof_properties")
    names = gym.get_asset_rigid_body_names(asset)
    ranges = gym.get_asset_rigid_body_shape_indices(asset)
    looks: Dict[int, Tuple[float, int]] = {}
    for link in links:
        found = _shape_values(link, setup["link_filters"].get(link["name"], 0), setup)
        start = ranges[names.index(link["name"])].start
        looks.update({start + number: look for number, look in found.items()})
    _set_shapes(gym, env, handle, looks)


def _shape_values(owner: Message, bits: int, setup: Message) -> Dict[int, Tuple[float, int]]:
    """Friction and filter of each shape of a link or a body, by its number."""
    usual, found = setup["scene"]["physics"]["friction"], {}
    for number, shape in enumerate(owner["shapes"]):
        found[number] = usual if shape["friction"] is None else shape["friction"], bits
    return found


def _set_shapes(
    gym: gymapi.Gym, env: gymapi.Env, handle: int, looks: Dict[int, Tuple[float, int]]
) -> None:
    """Friction and filter of each shape; fixed after `prepare_sim` on the GPU pipeline."""
    props = gym.get_actor_rigid_shape_properties(env, handle)
    for number, shape in enumerate(props):
        shape.friction, shape.filter = looks[number]
        shape.restitution = 0.0
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
