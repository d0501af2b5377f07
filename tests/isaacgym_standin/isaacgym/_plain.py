"""Enumerations and plain structures. Like pybind11's, they refuse attributes that they lack."""

import enum

__all__ = [
    "CC_ALL_SUBSTEPS", "CC_LAST_SUBSTEP", "CC_NEVER", "DOF_MODE_EFFORT", "DOF_MODE_NONE",
    "DOF_MODE_POS", "DOF_MODE_VEL", "DOMAIN_ACTOR", "DOMAIN_ENV", "DOMAIN_SIM", "SIM_FLEX",
    "SIM_PHYSX", "UP_AXIS_Y", "UP_AXIS_Z", "Asset", "AssetOptions", "CameraProperties", "Env",
    "IndexRange", "Mat33", "PhysXParams", "PlaneParams", "Quat", "RigidBodyProperties",
    "RigidShapeProperties", "Sim", "SimParams", "Transform", "Vec3", "Viewer",
]  # fmt: skip


class SimType(enum.IntEnum):
    SIM_PHYSX = 0
    SIM_FLEX = 1


class UpAxis(enum.IntEnum):
    UP_AXIS_Y = 0
    UP_AXIS_Z = 1


class DofDriveMode(enum.IntEnum):
    DOF_MODE_NONE = 0
    DOF_MODE_POS = 1
    DOF_MODE_VEL = 2
    DOF_MODE_EFFORT = 3


class IndexDomain(enum.IntEnum):
    DOMAIN_ENV = 0
    DOMAIN_ACTOR = 1
    DOMAIN_SIM = 2


class ContactCollection(enum.IntEnum):
    CC_NEVER = 0
    CC_LAST_SUBSTEP = 1
    CC_ALL_SUBSTEPS = 2


SIM_PHYSX, SIM_FLEX = SimType
UP_AXIS_Y, UP_AXIS_Z = UpAxis
DOF_MODE_NONE, DOF_MODE_POS, DOF_MODE_VEL, DOF_MODE_EFFORT = DofDriveMode
DOMAIN_ENV, DOMAIN_ACTOR, DOMAIN_SIM = IndexDomain
CC_NEVER, CC_LAST_SUBSTEP, CC_ALL_SUBSTEPS = ContactCollection


class _Struct:
    """Takes only the attributes in `_defaults`, and only values of their type."""

    _defaults = {}

    def __init__(self):
        for name, value in self._defaults.items():
            object.__setattr__(self, name, value() if isinstance(value, type) else value)

    def __setattr__(self, name, value):
        if name not in self._defaults:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        default = getattr(self, name)
        number = isinstance(default, float) and isinstance(value, (int, float))
        if not (number or isinstance(value, type(default))) or (
            isinstance(value, bool) and not isinstance(default, bool)
        ):
            raise TypeError(f"{type(self).__name__}.{name} takes {type(default).__name__}")
        object.__setattr__(self, name, value)


class Vec3:
    def __init__(self, x=0.0, y=0.0, z=0.0):
        self.x, self.y, self.z = float(x), float(y), float(z)


class Quat:
    def __init__(self, x=0.0, y=0.0, z=0.0, w=1.0):
        self.x, self.y, self.z, self.w = float(x), float(y), float(z), float(w)


class Transform:
    def __init__(self, p=None, r=None):
        self.p, self.r = p or Vec3(), r or Quat()


def _y_up():
    return Vec3(0.0, 1.0, 0.0)


class PlaneParams(_Struct):
    _defaults = {
        "distance": 0.0,
        "dynamic_friction": 1.0,
        "normal": Vec3,
        "restitution": 0.0,
        "segmentation_id": 0,
        "static_friction": 1.0,
    }

    def __init__(self):
        super().__init__()
        self.normal = _y_up()


class PhysXParams(_Struct):
    _defaults = {
        "always_use_articulations": False,
        "bounce_threshold_velocity": 0.2,
        "contact_collection": CC_ALL_SUBSTEPS,
        "contact_offset": 0.02,
        "default_buffer_size_multiplier": 2.0,
        "friction_correlation_distance": 0.025,
        "friction_offset_threshold": 0.04,
        "max_depenetration_velocity": 100.0,
        "max_gpu_contact_pairs": 1048576,
        "num_position_iterations": 4,
        "num_subscenes": 0,
        "num_threads": 0,
        "num_velocity_iterations": 1,
        "rest_offset": 0.001,
        "solver_type": 1,
        "use_gpu": False,
    }


class SimParams(_Struct):
    _defaults = {
        "dt": 1.0 / 60.0,
        "enable_actor_creation_warning": True,
        "gravity": Vec3,
        "num_client_threads": 0,
        "physx": PhysXParams,
        "substeps": 2,
        "up_axis": UP_AXIS_Y,
        "use_gpu_pipeline": False,
    }

    def __init__(self):
        super().__init__()
        self.gravity = Vec3(0.0, -9.8, 0.0)


class AssetOptions(_Struct):
    """Where NVIDIA's documentation is silent about a default, the one that does harm."""

    _defaults = {
        "angular_damping": 0.5,
        "armature": 0.0,
        "collapse_fixed_joints": False,
        "default_dof_drive_mode": 0,
        "density": 1000.0,
        "disable_gravity": False,
        "enable_gyroscopic_forces": False,
        "fix_base_link": False,
        "linear_damping": 0.0,
        "max_angular_velocity": 64.0,
        "max_linear_velocity": 1000.0,
        "override_com": False,
        "override_inertia": False,
        "replace_cylinder_with_capsule": False,
        "thickness": 0.02,
        "use_physx_armature": False,
    }


class RigidShapeProperties(_Struct):
    _defaults = {
        "compliance": 0.0,
        "contact_offset": 0.02,
        "filter": 0,
        "friction": 1.0,
        "rest_offset": 0.0,
        "restitution": 0.0,
        "rolling_friction": 0.0,
        "thickness": 0.0,
        "torsion_friction": 0.0,
    }


class Mat33:
    def __init__(self):
        self.x, self.y, self.z = Vec3(), Vec3(), Vec3()


class RigidBodyProperties(_Struct):
    _defaults = {
        "com": Vec3,
        "flags": 0,
        "inertia": Mat33,
        "invInertia": Mat33,
        "invMass": 0.0,
        "mass": 0.0,
    }


class CameraProperties(_Struct):
    _defaults = {"width": 1600, "height": 900, "horizontal_fov": 90.0}


class IndexRange:
    def __init__(self, start, count):
        self.start, self.count = start, count


class Asset:
    """Handle: what `_urdf.read` found, and the options it was loaded with."""

    def __init__(self, robot, options):
        self.robot, self.options = robot, options


class Env:
    """Handle: its number and its actors."""

    def __init__(self, index):
        self.index, self.actors, self.aggregate = index, [], None


class Sim:
    """Handle: everything that belongs to one simulation."""

    def __init__(self, params, graphics):
        self.params, self.graphics = params, graphics
        self.plane, self.envs, self.physics = None, [], None
        self.closed = False


class Viewer:
    """Handle: a window that counts its frames."""

    def __init__(self):
        self.frames, self.closed = 0, False
