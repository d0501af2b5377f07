"""The parts of a scene in USD as PhysX reads it: masses, joints, shapes."""

import math

import numpy as np

from screwpush_sim.builders import solids
from screwpush_sim.builders.rotations import NO_TURN, multiply, quat_of, turn_x_to
from screwpush_sim.builders.usd_prim import Prim, Vector
from screwpush_sim.errors import SceneNotSupportedError
from screwpush_sim.scene import (
    BodyGroup,
    Box,
    Capsule,
    Hull,
    Joint,
    Link,
    PositionDrive,
    Shape,
    Sphere,
)

MAX_HULL_VERTICES = 64
"""That a GPU takes."""

_NO_MASS_KG, _NO_MASS_M2 = 1e-3, 1e-4  # PhysX refuses a link of none


def mass_properties(
    owner: Link | BodyGroup,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Mass (kg), its centre (m), principal moments (kg m2) and their axes (wxyz) in the body's frame.

    A link without mass, which can only be a fixed one, gets next to none.
    """
    if owner.inertia is not None:
        given = owner.inertia
        return given.mass_kg, np.array(given.com_m), np.array(given.moments_kgm2), NO_TURN
    if owner.density and owner.shapes:
        mass, com, inertia = solids.of_density(owner.shapes, owner.density)
        moments, columns = np.linalg.eigh(inertia)
        columns[:, 2] *= np.sign(np.linalg.det(columns))
        return mass, com, moments, quat_of(columns)
    moments = np.full(3, _NO_MASS_KG * _NO_MASS_M2)
    return _NO_MASS_KG, np.zeros(3), moments, NO_TURN


def add_joint(joints: Prim, link: Link, prims: dict[str, Prim]) -> None:
    """The joint that carries `link`, between the prims of the links by name."""
    joint = link.joint
    kind = "PhysicsFixedJoint" if joint is None else "PhysicsRevoluteJoint"
    prim = joints.add(kind, f"{link.name}_fixed" if joint is None else joint.name)
    prim.relate("physics:body0", prims[link.parent].path)
    prim.relate("physics:body1", prims[link.name].path)
    to_axis = NO_TURN if joint is None else turn_x_to(joint.axis)
    turn = multiply(np.array(link.rotation_wxyz, float), to_axis)
    set_frame(prim, 0, link.offset_m, turn)
    set_frame(prim, 1, (0.0, 0.0, 0.0), to_axis)
    if joint is not None:
        _set_hinge(prim, joint)


def _set_hinge(prim: Prim, joint: Joint) -> None:
    low, high = joint.range_rad
    prim.apis += ["PhysxJointAxisAPI:angular", "PhysicsDriveAPI:angular"]
    prim.set("uniform token", "physics:axis", "X")
    prim.set("float", "physics:lowerLimit", math.degrees(low))
    prim.set("float", "physics:upperLimit", math.degrees(high))
    prim.set("float", "physxJointAxis:angular:armature", joint.armature_kgm2)
    prim.set("uniform token", "drive:angular:physics:type", "force")
    if isinstance(joint.drive, PositionDrive):
        drive, friction = joint.drive, joint.damping
        stiffness, damping, limit = drive.stiffness, drive.damping, drive.effort_limit_nm
        prim.set("float", "drive:angular:physics:maxForce", limit)
    else:  # what damps a joint by itself has no limit, so the drive, which is implicit, does it
        stiffness, damping, friction = 0.0, joint.damping, 0.0
    viscous = "physxJointAxis:angular:viscousFrictionCoefficient"
    prim.set("float", viscous, math.radians(friction))
    prim.set("float", "drive:angular:physics:stiffness", math.radians(stiffness))
    prim.set("float", "drive:angular:physics:damping", math.radians(damping))


def set_frame(prim: Prim, side: int, pos_m: Vector, quat: Vector) -> None:
    """The joint's frame on its body number `side`."""
    prim.set("point3f", f"physics:localPos{side}", tuple(pos_m))
    prim.set("quatf", f"physics:localRot{side}", tuple(quat))


def add_shape(owner: Prim, shape: Shape) -> Prim:
    """The shape below its body's prim; whoever asked makes it a collider.

    Raises:
      SceneNotSupportedError: a hull has more vertices than PhysX takes.
    """
    if isinstance(shape, Capsule):
        start, end = np.array(shape.start_m, float), np.array(shape.end_m, float)
        prim = owner.add("Capsule", shape.name)
        prim.set("uniform token", "axis", "X")
        prim.set("double", "radius", shape.radius_m)
        prim.set("double", "height", np.linalg.norm(end - start))
        prim.place((start + end) / 2, turn_x_to(end - start))
    elif isinstance(shape, Sphere):
        prim = owner.add("Sphere", shape.name)
        prim.set("double", "radius", shape.radius_m)
        prim.place(shape.center_m, NO_TURN)
    elif isinstance(shape, Box):
        prim = owner.add("Cube", shape.name)
        prim.set("double", "size", 2.0)
        prim.set("double3", "xformOp:translate", shape.center_m)
        prim.set("double3", "xformOp:scale", shape.half_m)
        prim.set("uniform token[]", "xformOpOrder", ["xformOp:translate", "xformOp:scale"])
    else:
        prim = _add_hull(owner, shape)
    return prim


def _add_hull(owner: Prim, hull: Hull) -> Prim:
    count = len(hull.vertices_m)
    if count > MAX_HULL_VERTICES:
        raise SceneNotSupportedError(
            f"engine physx: hull {hull.name!r} has {count} vertices; valid: at most"
            f" {MAX_HULL_VERTICES}"
        )
    apis = ["PhysicsMeshCollisionAPI", "PhysxConvexHullCollisionAPI"]
    prim = owner.add("Mesh", hull.name, apis)
    prim.set("point3f[]", "points", [tuple(corner) for corner in hull.vertices_m])
    prim.set("int[]", "faceVertexCounts", [len(face) for face in hull.faces])
    prim.set("int[]", "faceVertexIndices", [index for face in hull.faces for index in face])
    prim.set("uniform token", "physics:approximation", "convexHull")
    prim.set("int", "physxConvexHullCollision:hullVertexLimit", MAX_HULL_VERTICES)
    prim.place((0.0, 0.0, 0.0), NO_TURN)
    return prim
