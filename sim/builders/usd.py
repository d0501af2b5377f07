"""A scene as USD text for PhysX: the ground, and one environment that the engine clones.

Each link and each body is a prim of its own under the environment, at its pose with all joints at zero.
USD speaks degrees: an angle is turned into them, and a stiffness or damping is per degree. What the
scene's other builders write is written with the same numbers; masses, centres and moments always
explicitly, so that PhysX computes none.
"""

import numpy as np

from screwpush_sim.builders.hulls import hull_of
from screwpush_sim.builders.rotations import NO_TURN, multiply, rotate
from screwpush_sim.builders.usd_parts import add_joint, add_shape, mass_properties, set_frame
from screwpush_sim.builders.usd_prim import Prim, identifier, stage
from screwpush_sim.options import PhysxConfig
from screwpush_sim.scene import BodyGroup, Capsule, Link, Scene, touching_links

MAX_SPIN_DEG_S = 1e6
"""Far beyond PhysX's own limit of 100 rad/s, which a thin cylinder that rolls nearly reaches."""

_ROOT = "/World"


def env_path(index: int) -> str:
    """Path of environment number `index`; number 0 stands in the text, the others are its clones."""
    return f"{_ROOT}/envs/env{index}"


def link_path(name: str, env: int = 0) -> str:
    """Path of the robot's link `name`."""
    return f"{env_path(env)}/robot/{identifier(name)}"


def body_path(group: BodyGroup, index: int, env: int = 0) -> str:
    """Path of the group's body number `index` of `0..B-1`."""
    return f"{env_path(env)}/{identifier(f'{group.name}{index + 1}')}"


def build_usda(
    scene: Scene, config: PhysxConfig, num_envs: int = 1, *, slippery_ground: bool = False
) -> str:
    """USD text of the scene's environment number 0 on its ground.

    Args:
      config: with `body_capsules` "auto" they are capsules here.
      num_envs: how many there will be, for which the buffers of a GPU are sized.
      slippery_ground: the ground has no friction of its own.

    Raises:
      SceneNotSupportedError: a hull has more vertices than PhysX takes.
    """
    return stage(_Builder(scene, config, num_envs, slippery_ground).root)


class _Builder:
    def __init__(self, scene: Scene, config: PhysxConfig, num_envs: int, slippery_ground: bool):
        self._scene, self._config = scene, config
        self._meets: dict[str, list[str]] = {"all": [], "ground": []}  # shapes by what they meet
        self.root = Prim("Xform", "World", _ROOT)
        self._materials = self.root.add("Scope", "materials")
        self._by_friction: dict[float, str] = {}
        self._add_physics(num_envs)
        ground = self.root.add("Plane", "ground")
        ground.set("uniform token", "axis", "Z")
        self._make_collider(ground, 0.0 if slippery_ground else scene.physics.friction)
        env = self.root.add("Scope", "envs").add("Xform", "env0")
        self._add_robot(env.add("Xform", "robot"))
        for group in scene.groups:
            for index in range(group.count):
                body = env.add("Xform", f"{group.name}{index + 1}")
                body.place(group.start_pos_w[index], NO_TURN)
                self._make_rigid(body, group, gravity=True)
        self._add_collision_groups()

    def _add_physics(self, num_envs: int) -> None:
        config, gravity = self._config, np.array(self._scene.physics.gravity_m_s2)
        physics = self.root.add("PhysicsScene", "physics", ["PhysxSceneAPI"])
        size = float(np.linalg.norm(gravity))
        direction = gravity / size if size else np.array([0.0, 0.0, -1.0])
        physics.set("vector3f", "physics:gravityDirection", tuple(direction))
        physics.set("float", "physics:gravityMagnitude", size)
        physics.set("uniform token", "physxScene:solverType", config.solver.upper())
        last = config.robot_contacts_last
        physics.set("bool", "physxScene:solveArticulationContactLast", last)
        physics.set("bool", "physxScene:disableSleeping", True)
        physics.set("bool", "physxScene:enableSceneQuerySupport", False)
        offset, correlation = config.friction_offset_threshold_m, config.friction_correlation_m
        physics.set("float", "physxScene:frictionOffsetThreshold", offset)
        physics.set("float", "physxScene:frictionCorrelationDistance", correlation)
        for name, value in config.gpu_buffers(num_envs).items():
            physics.set("uint", f"physxScene:{name}", value)
        physics.set("int", "physxScene:envIdInBoundsBitCount", config.env_id_bits)

    def _add_robot(self, robot: Prim) -> None:
        model, poses = self._scene.robot, link_poses(self._scene)
        prims: dict[str, Prim] = {}
        for link in model.links:
            prim = prims[link.name] = robot.add("Xform", link.name)
            prim.place(*poses[link.name])
            self._make_rigid(prim, link, gravity=not model.gravity_compensated)
            if link.name in self._scene.contact_links:
                prim.apis.append("PhysxContactReportAPI")
                prim.set("float", "physxContactReport:threshold", 0.0)
        joints, base = robot.add("Scope", "__joints"), model.links[0]
        if model.base == "free":
            self._make_articulation(prims[base.name])
        else:  # the root is found by its joint to the world
            self._make_articulation(robot)
            fixed = joints.add("PhysicsFixedJoint", "to_world")
            fixed.relate("physics:body1", prims[base.name].path)
            set_frame(fixed, 0, base.offset_m, base.rotation_wxyz)
            set_frame(fixed, 1, (0.0, 0.0, 0.0), NO_TURN)
        for link in model.links[1:]:
            add_joint(joints, link, prims)
        for link, other in touching_links(model):
            if link.parent != other.name:  # a link and its parent never meet in PhysX
                _keep_apart(prims[link.name], prims[other.name])

    def _make_articulation(self, prim: Prim) -> None:
        prim.apis += ["PhysicsArticulationRootAPI", "PhysxArticulationAPI"]
        self._set_solver(prim, "physxArticulation")
        prim.set("bool", "physxArticulation:enabledSelfCollisions", True)

    def _set_solver(self, prim: Prim, schema: str) -> None:
        """Iterations, and that it never sleeps."""
        positions = self._scene.physics.solver_iterations or self._config.position_iterations
        velocities = self._config.velocity_iterations
        prim.set("int", f"{schema}:solverPositionIterationCount", positions)
        prim.set("int", f"{schema}:solverVelocityIterationCount", velocities)
        prim.set("float", f"{schema}:sleepThreshold", 0.0)
        prim.set("float", f"{schema}:stabilizationThreshold", 0.0)

    def _make_rigid(self, prim: Prim, owner: Link | BodyGroup, *, gravity: bool) -> None:
        prim.apis += ["PhysicsRigidBodyAPI", "PhysxRigidBodyAPI", "PhysicsMassAPI"]
        self._set_solver(prim, "physxRigidBody")
        prim.set("bool", "physxRigidBody:disableGravity", not gravity)
        prim.set("bool", "physxRigidBody:enableGyroscopicForces", True)
        prim.set("float", "physxRigidBody:linearDamping", 0.0)
        prim.set("float", "physxRigidBody:angularDamping", 0.0)
        prim.set("float", "physxRigidBody:maxAngularVelocity", MAX_SPIN_DEG_S)
        depenetration = self._config.max_depenetration_m_s
        prim.set("float", "physxRigidBody:maxDepenetrationVelocity", depenetration)
        mass, com, moments, axes = mass_properties(owner)
        prim.set("float", "physics:mass", mass)
        prim.set("point3f", "physics:centerOfMass", tuple(com))
        prim.set("float3", "physics:diagonalInertia", tuple(moments))
        prim.set("quatf", "physics:principalAxes", tuple(axes))
        as_hull = isinstance(owner, BodyGroup) and self._config.body_capsules == "hull"
        for shape in owner.shapes:
            if as_hull and isinstance(shape, Capsule):
                shape = hull_of(shape)
            collider = add_shape(prim, shape)
            usual = self._scene.physics.friction
            self._make_collider(collider, usual if shape.friction is None else shape.friction)
            self._meets[shape.meets].append(collider.path)

    def _make_collider(self, prim: Prim, friction: float) -> None:
        prim.apis += ["PhysicsCollisionAPI", "PhysxCollisionAPI", "MaterialBindingAPI"]
        prim.set("float", "physxCollision:contactOffset", self._config.contact_offset_m)
        prim.set("float", "physxCollision:restOffset", self._config.rest_offset_m)
        prim.relate("material:binding:physics", self._material(friction))

    def _material(self, friction: float) -> str:
        """The larger friction of two shapes counts, as in MuJoCo; nothing bounces."""
        if friction not in self._by_friction:
            apis = ["PhysicsMaterialAPI", "PhysxMaterialAPI"]
            name = f"material{len(self._by_friction)}"
            material = self._materials.add("Material", name, apis)
            material.set("float", "physics:staticFriction", friction)
            material.set("float", "physics:dynamicFriction", friction)
            material.set("float", "physics:restitution", 0.0)
            material.set("uniform token", "physxMaterial:frictionCombineMode", "max")
            material.set("uniform token", "physxMaterial:restitutionCombineMode", "min")
            self._by_friction[friction] = material.path
        return self._by_friction[friction]

    def _add_collision_groups(self) -> None:
        """Everything meets everything, but what meets the ground alone."""
        if not self._meets["ground"]:
            return
        groups = self.root.add("Scope", "collision_groups")
        prims = {}
        for meets, paths in self._meets.items():
            prims[meets] = groups.add("PhysicsCollisionGroup", meets, ["CollectionAPI:colliders"])
            prims[meets].relate("collection:colliders:includes", *paths)
        prims["ground"].relate("physics:filteredGroups", *(prim.path for prim in prims.values()))


def _keep_apart(one: Prim, other: Prim) -> None:
    """Between the links' colliders: a pair with the root link itself would be one with all of the robot."""
    for collider in one.children:
        collider.apis.append("PhysicsFilteredPairsAPI")
        collider.relate("physics:filteredPairs", *(shape.path for shape in other.children))


def link_poses(scene: Scene) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Position (m) and quaternion (wxyz) of each link in the world, joints at zero."""
    poses = {"": (np.zeros(3), NO_TURN)}
    for link in scene.robot.links:
        pos, quat = poses[link.parent]
        offset = rotate(quat, np.array(link.offset_m, float))
        poses[link.name] = pos + offset, multiply(quat, np.array(link.rotation_wxyz, float))
    del poses[""]
    return poses
