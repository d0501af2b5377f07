"""Real physics under the stand-in: one MuJoCo scene for each environment, built from its actors."""

import itertools
import os
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from ._plain import CC_NEVER

ROOT, DOF = 13, 2
MOMENTS = ("ixx", "ixy", "ixz"), ("ixy", "iyy", "iyz"), ("ixz", "iyz", "izz")
_FAR_M, _HELD_M = 0.0025, 0.002
"""PhysX 5 was seen to hold a bolt that should roll where friction acts this far from what touches, as if
it resisted with about this lever."""
DOF_DTYPE = np.dtype(
    [("hasLimits", "?"), ("lower", "f4"), ("upper", "f4"), ("driveMode", "i4"), ("velocity", "f4"),
     ("effort", "f4"), ("stiffness", "f4"), ("damping", "f4"), ("friction", "f4"),
     ("armature", "f4")]
)  # fmt: skip


class Physics:
    """Scenes of the same actors in the same order; they share a model, and never meet."""

    def __init__(self, sim):
        mujoco.set_mju_user_warning(lambda _: None)
        first = sim.envs[0].actors
        for env in sim.envs:
            same = [(a.asset, a.name, list(map(vars, a.shapes))) for a in env.actors]
            if same != [(a.asset, a.name, list(map(vars, a.shapes))) for a in first]:
                raise RuntimeError("stand-in: every environment needs the same actors in order")
            if any((_plain(a.dofs) != _plain(b.dofs)).any() for a, b in zip(env.actors, first)):
                raise RuntimeError("stand-in: environments' drives differ in their gains alone")
        self.model = mujoco.MjModel.from_xml_string(_mjcf(sim, first))
        self.batch = Batch(self.model, len(sim.envs), len(os.sched_getaffinity(0)))
        names = ("qpos", "qvel", "ctrl", "qacc_warmstart", "qfrc_applied")
        self.all = SimpleNamespace(**{name: self.batch.bind(name) for name in names})
        self.datas = [  # one environment's rows, by the names of MjData
            SimpleNamespace(**{name: rows[i] for name, rows in vars(self.all).items()})
            for i in range(len(sim.envs))
        ]
        _differ(self.model, self.batch, [env.actors for env in sim.envs])
        self.actors = first
        self.num_dofs = sum(len(actor.dofs) for actor in first)
        self.targets = np.zeros((len(sim.envs), self.num_dofs))
        self.forces = np.zeros((len(sim.envs), self.num_dofs))
        self.by_torque = np.concatenate([actor.dofs["driveMode"] == 3 for actor in first])
        free = [i for i, actor in enumerate(first) if not actor.asset.options.fix_base_link]
        joints = {i: self.model.joint(f"{first[i].name}{i}/free") for i in free}
        self.free = {i: joint.qposadr[0] for i, joint in joints.items()}  # actor -> qpos start
        self.free_v = {i: joint.dofadr[0] for i, joint in joints.items()}
        hinges = [
            self.model.joint(f"{actor.name}{i}/{dof.name}")
            for i, actor in enumerate(first)
            for dof in actor.asset.robot.dofs
        ]
        self.dofs_q = [joint.qposadr[0] for joint in hinges]
        self.dofs_v = [joint.dofadr[0] for joint in hinges]
        self.sensed = self.batch.bind("sensordata") if self.model.nsensordata else None
        self.inertia = {i: _inertia(first[i].asset.robot.bodies[0].inertial) for i in free}
        self.com = {i: np.array(first[i].asset.robot.bodies[0].inertial["pos"]) for i in free}

    def step(self):
        self.all.ctrl[:] = np.where(self.by_torque, self.forces, self.targets)
        self._limit_speeds()
        self._drop_gyroscopic()
        try:
            self.batch.step(nstep=1)
        except SimulationError as error:
            self.all.qvel[error.ids] = np.nan

    def _limit_speeds(self):
        """As PhysX does with free bodies."""
        for i, start in self.free_v.items():
            options = self.actors[i].asset.options
            for at, limit in (
                (start, options.max_linear_velocity),
                (start + 3, options.max_angular_velocity),
            ):
                part = self.all.qvel[:, at : at + 3]
                fast = np.flatnonzero(np.abs(part).max(axis=1) > limit)
                part[fast] *= limit / np.linalg.norm(part[fast], axis=1, keepdims=True)

    def _drop_gyroscopic(self):
        """Without its option PhysX lets a free body spin about an axis that stays in the world."""
        for i, start in self.free_v.items():
            if not self.actors[i].asset.options.enable_gyroscopic_forces:
                turn = slice(start + 3, start + 6)
                spin = self.all.qvel[:, turn]
                self.all.qfrc_applied[:, turn] = np.cross(spin, spin @ self.inertia[i])

    def root_rows(self):
        """`[N * actors, 13]` as Gym shows them: xyzw, velocity of the centre of mass, world axes."""
        rows = np.zeros((len(self.datas), len(self.actors), ROOT))
        qpos, qvel = self.all.qpos, self.all.qvel
        for i, actor in enumerate(self.actors):
            row = rows[:, i]
            if i not in self.free:
                row[:, :3], row[:, 6] = actor.pos, 1.0
                continue
            q, v = self.free[i], self.free_v[i]
            wxyz = qpos[:, q + 3 : q + 7]
            omega = _turn(wxyz, qvel[:, v + 3 : v + 6])
            com = _turn(wxyz, np.broadcast_to(self.com[i], omega.shape))
            row[:, :3], row[:, 3:7] = qpos[:, q : q + 3], wxyz[:, [1, 2, 3, 0]]
            row[:, 7:10] = qvel[:, v : v + 3] + np.cross(omega, com)
            row[:, 10:13] = omega
        return rows.reshape(-1, ROOT)

    def set_root_row(self, index, row):
        env, i = divmod(index, len(self.actors))
        if i not in self.free:
            return  # a fixed base stays
        data, q, v = self.datas[env], self.free[i], self.free_v[i]
        wxyz = row[[6, 3, 4, 5]]
        turn = _matrix(wxyz)
        data.qpos[q : q + 3], data.qpos[q + 3 : q + 7] = row[:3], wxyz
        data.qvel[v : v + 3] = row[7:10] - np.cross(row[10:13], turn @ self.com[i])
        data.qvel[v + 3 : v + 6] = turn.T @ row[10:13]
        data.qacc_warmstart[:] = 0.0

    def dof_rows(self):
        """`[N * dofs, 2]`."""
        pairs = self.all.qpos[:, self.dofs_q], self.all.qvel[:, self.dofs_v]
        return np.stack(pairs, axis=-1).reshape(-1, DOF)

    def contact_rows(self):
        """`[N * bodies, 3]`: what touches a body exerts on it."""
        return -self.sensed.reshape(-1, 3)

    def set_dof_rows(self, index, rows):
        data = self.datas[index // len(self.actors)]
        data.qpos[self.dofs_q], data.qvel[self.dofs_v] = rows[:, 0], rows[:, 1]
        data.qacc_warmstart[:] = 0.0


def _plain(dofs):
    """The drives without what may differ from environment to environment."""
    dofs = dofs.copy()
    dofs["stiffness"] = dofs["damping"] = 0.0
    return dofs


def _differ(model, batch, envs):
    """Gives each environment the gains of its drives and its bodies' weights."""
    drives = [np.concatenate([actor.dofs for actor in actors]) for actors in envs]
    weights = np.array([np.concatenate([actor.weights for actor in actors]) for actors in envs])
    if any((other != drives[0]).any() for other in drives[1:]):
        if (drives[0]["driveMode"] != 1).any():
            raise RuntimeError("stand-in: a joint's own damping is the same everywhere")
        stiffness, damping = (
            np.array([d[name] for d in drives], float) for name in ("stiffness", "damping")
        )
        batch.expand("actuator_gainprm")[..., 0] = stiffness
        bias = batch.expand("actuator_biasprm")
        bias[..., 1], bias[..., 2] = -stiffness, -damping
    if (weights != weights[0]).any():
        factor = weights / weights[0]
        rows = [
            model.body(f"{actor.name}{number}/{body.name}").id
            for number, actor in enumerate(envs[0])
            for body in actor.asset.robot.bodies
        ]
        batch.expand("body_mass")[:, rows] *= factor
        batch.expand("body_inertia")[:, rows] *= factor[..., None]
        batch.set_const()


def _inertia(inertial):
    return np.array([[inertial[name] for name in row] for row in MOMENTS])


def _turn(wxyz, vectors):
    """`vectors [N, 3]` turned by the unit quaternions `wxyz [N, 4]`."""
    xyz, twice = wxyz[:, 1:], 2.0 * np.cross(wxyz[:, 1:], vectors)
    return vectors + wxyz[:, :1] * twice + np.cross(xyz, twice)


def _matrix(wxyz):
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, np.asarray(wxyz, float))
    return turn.reshape(3, 3)


def inertial_of(actor, body):
    """Without its option PhysX adds a joint's armature to the inertia of the link that it carries."""
    weight = actor.weights[actor.asset.robot.bodies.index(body)]
    scaled = {k: v if k == "pos" else weight * v for k, v in body.inertial.items()}
    if actor.asset.options.use_physx_armature or body.joint not in actor.asset.robot.dofs:
        return scaled
    more = float(actor.dofs[actor.asset.robot.dofs.index(body.joint)]["armature"])
    return {**scaled, **{k: scaled[k] + more for k in ("ixx", "iyy", "izz")}}


def _mjcf(sim, actors):
    """Only what the worker gave goes in: a wrong URDF gives wrong physics."""
    params = sim.params
    root = ET.Element("mujoco")
    ET.SubElement(root, "compiler", angle="radian", eulerseq="XYZ", autolimits="true")
    gravity = params.gravity.x, params.gravity.y, params.gravity.z
    option = ET.SubElement(
        root,
        "option",
        timestep=repr(params.dt / params.substeps),
        gravity=_text(gravity),
        integrator="implicitfast",
        iterations="10",
        ls_iterations="20",
    )
    ET.SubElement(option, "flag", autoreset="disable")
    asset, world = ET.SubElement(root, "asset"), ET.SubElement(root, "worldbody")
    contact, drives = ET.SubElement(root, "contact"), ET.SubElement(root, "actuator")
    normal = sim.plane.normal
    if (normal.x, normal.y, normal.z) != (0.0, 0.0, 1.0):
        raise RuntimeError("stand-in: the ground's normal is not +z")
    ET.SubElement(world, "geom", name="ground", type="plane", size="2 2 0.1", contype="0",
                  conaffinity="0")  # fmt: skip
    geoms = []
    for number, actor in enumerate(actors):
        geoms += _add_actor(actor, f"{actor.name}{number}", asset, world, drives)
    _add_pairs(contact, geoms, sim.plane, params.physx)
    if params.physx.contact_collection != CC_NEVER:
        sensor = ET.SubElement(root, "sensor")
        for number, actor in enumerate(actors):
            for body in actor.asset.robot.bodies:
                ET.SubElement(sensor, "contact", body1=f"{actor.name}{number}/{body.name}", data="force",
                              reduce="netforce", num="1")  # fmt: skip
    return ET.tostring(root, encoding="unicode")


def _add_actor(actor, prefix, asset, world, drives):
    """Returns (name, body, parent's body, shape's properties, rest offset) of each shape."""
    options, geoms, made = actor.asset.options, [], {}
    number = itertools.count()
    dof = itertools.count()
    for body in actor.asset.robot.bodies:
        joint, name = body.joint, f"{prefix}/{body.name}"
        pos, rpy = (joint.pos, joint.rpy) if joint else (actor.pos, [0.0] * 3)
        parent = made[joint.parent] if joint else world
        element = ET.SubElement(parent, "body", name=name, pos=_text(pos), euler=_text(rpy))
        made[body.name] = element
        if options.disable_gravity:
            element.set("gravcomp", "1")
        if joint is None and not options.fix_base_link:
            ET.SubElement(element, "freejoint", name=f"{prefix}/free")
        if joint is not None and joint.kind == "revolute":
            props = actor.dofs[next(dof)].copy()
            props["armature"] *= options.use_physx_armature
            _add_joint(element, joint, props, f"{prefix}/{joint.name}", drives)
        _add_inertial(element, inertial_of(actor, body))
        for shape in body.shapes:
            index = next(number)
            geom = f"{prefix}/shape{index}"
            _add_geom(element, geom, shape, asset, options)
            above = f"{prefix}/{joint.parent}" if joint else ""
            props = actor.shapes[index]
            geoms.append((geom, name, above, props, options.thickness + props.rest_offset))
    return geoms


def _add_joint(body, joint, props, name, drives):
    hinge = {"name": name, "axis": _text(joint.axis), "armature": repr(float(props["armature"])),
             "range": _text((props["lower"], props["upper"]))}  # fmt: skip
    if props["driveMode"] == 3:
        hinge["damping"] = repr(float(props["damping"]))
    ET.SubElement(body, "joint", hinge)
    if props["driveMode"] == 3:
        ET.SubElement(
            drives, "motor", joint=name, forcerange=_text((-props["effort"], props["effort"]))
        )
        return
    if props["driveMode"] != 1:
        raise RuntimeError("stand-in: only drives by position or effort")
    ET.SubElement(drives, "position", joint=name, kp=repr(float(props["stiffness"])),
                  kv=repr(float(props["damping"])),
                  forcerange=_text((-props["effort"], props["effort"])))  # fmt: skip


def _add_inertial(body, inertial):
    moments = [inertial[k] for k in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")]
    ET.SubElement(body, "inertial", pos=_text(inertial["pos"]), mass=repr(inertial["mass"]),
                  fullinertia=_text(moments))  # fmt: skip


def _add_geom(body, name, shape, asset, options):
    geom = {"name": name, "pos": _text(shape.pos), "euler": _text(shape.rpy), "mass": "0",
            "contype": "0", "conaffinity": "0"}  # fmt: skip
    if shape.kind == "sphere":
        geom.update(type="sphere", size=shape.size["radius"])
    elif shape.kind == "cylinder":
        kind = "capsule" if options.replace_cylinder_with_capsule else "cylinder"
        half = float(shape.size["length"]) / 2
        geom.update(type=kind, size=f"{shape.size['radius']} {half!r}")
    else:
        vertices = [v for vertex in shape.size["vertices"] for v in vertex]
        ET.SubElement(asset, "mesh", name=name, vertex=_text(vertices))
        geom.update(type="mesh", mesh=name)
    ET.SubElement(body, "geom", geom)


def _add_pairs(contact, geoms, plane, physx):
    """Gym's rule: same group, no shared filter bit, not the same or neighbouring links."""
    held = physx.friction_offset_threshold > _FAR_M
    for name, _, _, props, rest in geoms:
        friction = (plane.static_friction + props.friction) / 2
        _add_pair(contact, "ground", name, friction, rest + physx.rest_offset, held)
    for a, b in itertools.combinations(geoms, 2):
        linked = a[1] == b[1] or a[2] == b[1] or b[2] == a[1]
        if not linked and not a[3].filter & b[3].filter:
            friction = (a[3].friction + b[3].friction) / 2
            _add_pair(contact, a[0], b[0], friction, a[4] + b[4], held)


def _add_pair(contact, a, b, friction, rest, held):
    """Contacts push where shapes are nearer than they rest; what is held resists being rolled."""
    five = (friction, friction, 0.005, *[_HELD_M if held else 0.0001] * 2)
    ET.SubElement(contact, "pair", geom1=a, geom2=b, condim="6" if held else "3",
                  friction=_text(five), margin=repr(float(rest)))  # fmt: skip


def _text(values):
    return " ".join(f"{float(value):.9g}" for value in values)
