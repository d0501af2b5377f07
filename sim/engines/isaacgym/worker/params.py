"""Isaac Gym's own parameters from the learner's message: of the simulation, the ground and the assets."""

from typing import List

from isaacgym import gymapi

from .messages import Message

_MAX_SPIN_RAD_S = 1000.0  # Gym's own limit, 64, is a cylinder of 6 mm radius that rolls at 0.38 m/s


def sim_params(setup: Message) -> gymapi.SimParams:
    """Steps, gravity, and how PhysX solves."""
    options, physics, params = setup["gym"], setup["scene"]["physics"], gymapi.SimParams()
    on_gpu = options["pipeline"] == "gpu"
    params.dt = setup["scene"]["physics"]["dt_s"]
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
    physx.friction_offset_threshold = options["friction_offset_threshold_m"]
    physx.friction_correlation_distance = options["friction_correlation_m"]
    physx.bounce_threshold_velocity = options["bounce_threshold_m_s"]
    physx.max_depenetration_velocity = options["max_depenetration_m_s"]
    physx.max_gpu_contact_pairs = options["max_gpu_contact_pairs"]
    physx.default_buffer_size_multiplier = options["buffer_multiplier"]
    read = setup["scene"]["contact_links"]  # those of the last substep, as the contract says
    physx.contact_collection = gymapi.CC_LAST_SUBSTEP if read else gymapi.CC_NEVER
    return params


def ground(friction: float) -> gymapi.PlaneParams:
    """The plane z = 0."""
    plane = gymapi.PlaneParams()
    plane.normal = gymapi.Vec3(0.0, 0.0, 1.0)
    plane.distance = 0.0
    plane.static_friction = plane.dynamic_friction = friction
    plane.restitution = 0.0
    return plane


def asset_options(setup: Message) -> List[gymapi.AssetOptions]:
    """Of the robot, and of a body of each group."""
    robot, thickness = setup["scene"]["robot"], setup["gym"]["thickness_m"]
    options = _shared(thickness)
    options.fix_base_link = robot["base"] == "fixed"
    options.disable_gravity = robot["gravity_compensated"]
    options.default_dof_drive_mode = int(gymapi.DOF_MODE_NONE)  # each joint's own is set later
    return [options] + [_body(thickness) for _ in setup["scene"]["groups"]]


def _body(thickness: float) -> gymapi.AssetOptions:
    options = _shared(thickness)
    options.fix_base_link = False
    options.disable_gravity = False
    options.max_angular_velocity = _MAX_SPIN_RAD_S
    return options


def _shared(thickness: float) -> gymapi.AssetOptions:
    options = gymapi.AssetOptions()
    options.collapse_fixed_joints = False  # each link is found by its name later
    options.replace_cylinder_with_capsule = True
    options.override_com = False
    options.override_inertia = False
    options.linear_damping = 0.0
    options.angular_damping = 0.0
    options.armature = 0.0
    options.thickness = thickness
    options.enable_gyroscopic_forces = True  # without it a body that tumbles keeps its axis
    options.use_physx_armature = True  # a joint's own, not added to what the links weigh
    return options
