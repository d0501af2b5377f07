"""`gymapi.Gym`: the documented calls in the documented order, or an error."""

import copy

import numpy as np
import torch

from . import _urdf
from ._physics import DOF_DTYPE, MOMENTS, Physics, inertial_of
from ._plain import (
    CC_NEVER,
    DOF_MODE_EFFORT,
    DOF_MODE_NONE,
    DOF_MODE_POS,
    DOMAIN_SIM,
    SIM_PHYSX,
    UP_AXIS_Z,
    Asset,
    AssetOptions,
    Env,
    IndexRange,
    RigidBodyProperties,
    RigidShapeProperties,
    Sim,
    Vec3,
    Viewer,
)
from ._tensors import Buffer, StandInError, Tensor


class Actor:
    def __init__(self, asset, pose, name, group, bits):
        self.asset, self.name, self.group = asset, name, group
        self.pos = [pose.p.x, pose.p.y, pose.p.z]
        if (pose.r.x, pose.r.y, pose.r.z, pose.r.w) != (0.0, 0.0, 0.0, 1.0):
            raise StandInError("stand-in: actors are created upright")
        self.shapes = [RigidShapeProperties() for _ in asset.robot.shapes]
        for shape in self.shapes:
            shape.filter = bits
        self.dofs = _dof_properties(asset)
        self.weights = [1.0 for _ in asset.robot.bodies]


class Gym:
    def __init__(self):
        self._sim = None

    def create_sim(self, compute_device=0, graphics_device=0, type=None, params=None):
        if type != SIM_PHYSX:
            raise StandInError("stand-in: only SIM_PHYSX")
        if self._sim is not None and not self._sim.closed:
            raise StandInError("one simulation per process")
        if params.up_axis != UP_AXIS_Z or params.gravity.z >= 0.0:
            raise StandInError("gravity does not point down the up axis")
        if params.use_gpu_pipeline and not torch.cuda.is_available():
            return None
        self._sim = Sim(copy.deepcopy(params), graphics_device)
        # the flag without GPU physics is ignored without a word, as by the real one
        on_gpu = params.use_gpu_pipeline and params.physx.use_gpu
        self._sim.device = f"cuda:{compute_device}" if on_gpu else "cpu"
        self._sim.pending, self._sim.tensors, self._sim.simulated = {}, {}, True
        return self._sim

    def destroy_sim(self, sim):
        self._check(sim)
        sim.closed = True

    def add_ground(self, sim, params):
        self._building(sim)
        sim.plane = copy.deepcopy(params)

    def load_asset(self, sim, rootpath, filename, options=None):
        self._building(sim)
        options = copy.deepcopy(options or AssetOptions())
        if options.collapse_fixed_joints or options.override_com or options.override_inertia:
            raise StandInError("stand-in: the file's own links and inertia are kept")
        try:
            asset = Asset(_urdf.read(rootpath, filename), options)
        except OSError:
            return None
        bare = [body.name for body in asset.robot.bodies if not body.inertial]
        if bare:
            raise StandInError(f"bodies {bare} have no inertial: what Gym makes up is not stated")
        return asset

    def get_asset_rigid_body_count(self, asset):
        return len(asset.robot.bodies)

    def get_asset_rigid_shape_count(self, asset):
        return len(asset.robot.shapes)

    def get_asset_rigid_body_names(self, asset):
        return [body.name for body in asset.robot.bodies]

    def get_asset_dof_names(self, asset):
        return [joint.name for joint in asset.robot.dofs]

    def get_asset_rigid_body_shape_indices(self, asset):
        ranges, start = [], 0
        for body in asset.robot.bodies:
            ranges.append(IndexRange(start, len(body.shapes)))
            start += len(body.shapes)
        return ranges

    def create_env(self, sim, lower, upper, num_per_row):
        self._building(sim)
        if num_per_row < 1:
            raise StandInError("an environment needs a row to stand in")
        sim.envs.append(Env(len(sim.envs)))
        return sim.envs[-1]

    def begin_aggregate(self, env, max_bodies, max_shapes, self_collision):
        env.aggregate = [max_bodies, max_shapes]
        return True

    def end_aggregate(self, env):
        if env.aggregate is None:
            return False
        bodies = sum(len(actor.asset.robot.bodies) for actor in env.actors)
        shapes = sum(len(actor.asset.robot.shapes) for actor in env.actors)
        if bodies >= env.aggregate[0] or shapes >= env.aggregate[1]:
            raise StandInError("the aggregate is full: it was seen to crash without slack")
        env.aggregate = None
        return True

    def create_actor(self, env, asset, pose, name=None, group=-1, filter=-1, segmentationId=0):  # noqa: N803
        self._building(self._sim)
        if group != env.index:
            raise StandInError("stand-in: scenes that share a collision group would meet")
        env.actors.append(Actor(asset, pose, name, group, filter))
        return len(env.actors) - 1

    def get_actor_index(self, env, handle, domain):
        if domain != DOMAIN_SIM:
            return handle
        return sum(len(e.actors) for e in self._sim.envs[: env.index]) + handle

    def get_actor_dof_properties(self, env, handle):
        return env.actors[handle].dofs.copy()

    def set_actor_dof_properties(self, env, handle, props):
        if props.dtype != DOF_DTYPE or props.shape != env.actors[handle].dofs.shape:
            return False
        env.actors[handle].dofs = props.copy()
        return True

    def get_actor_rigid_shape_properties(self, env, handle):
        return copy.deepcopy(env.actors[handle].shapes)

    def set_actor_rigid_shape_properties(self, env, handle, props):
        self._building(self._sim)
        actor = env.actors[handle]
        if len(props) != len(actor.shapes):
            return False
        if any(shape.filter >= 1 << 30 for shape in props):
            raise StandInError("a filter's highest bits are not known to work")
        actor.shapes = copy.deepcopy(props)
        return True

    def get_actor_rigid_body_properties(self, env, handle):
        actor, found = env.actors[handle], []
        for body in actor.asset.robot.bodies:
            inertial = inertial_of(actor, body)
            found.append(RigidBodyProperties())
            found[-1].mass, found[-1].com = inertial["mass"], Vec3(*inertial["pos"])
            for row, names in zip("xyz", MOMENTS):
                setattr(found[-1].inertia, row, Vec3(*(inertial[name] for name in names)))
        return found

    def set_actor_rigid_body_properties(self, env, handle, props, recomputeInertia=False):  # noqa: N803
        self._building(self._sim)
        actor = env.actors[handle]
        if len(props) != len(actor.weights) or recomputeInertia:
            return False
        was = self.get_actor_rigid_body_properties(env, handle)
        factors = [new.mass / old.mass for new, old in zip(props, was)]
        for factor, new, old in zip(factors, props, was):
            moments = [_moments(body.inertia) for body in (new, old)]
            if not np.allclose(moments[0], factor * moments[1], rtol=1e-4, atol=0.0):
                raise StandInError("stand-in: mass and inertia are scaled together")
        actor.weights = [factor * weight for factor, weight in zip(factors, actor.weights)]
        return True

    def prepare_sim(self, sim):
        self._building(sim)
        if sim.plane is None or any(env.aggregate is not None for env in sim.envs):
            return False
        sim.physics = Physics(sim)
        return True

    def acquire_actor_root_state_tensor(self, sim):
        return self._acquire(sim, "root", self._running(sim).root_rows().shape)

    def acquire_dof_state_tensor(self, sim):
        return self._acquire(sim, "dof", self._running(sim).dof_rows().shape)

    def acquire_net_contact_force_tensor(self, sim):
        if sim.params.physx.contact_collection == CC_NEVER:
            raise StandInError("contacts are not collected: their tensor would stay zero")
        return self._acquire(sim, "contact", self._running(sim).contact_rows().shape)

    def refresh_net_contact_force_tensor(self, sim):
        return self._refresh(sim, "contact", self._running(sim).contact_rows)

    def refresh_actor_root_state_tensor(self, sim):
        return self._refresh(sim, "root", self._running(sim).root_rows)

    def refresh_dof_state_tensor(self, sim):
        return self._refresh(sim, "dof", self._running(sim).dof_rows)

    def set_actor_root_state_tensor_indexed(self, sim, values, indices, count):
        return self._indexed(sim, "root", values, indices, count)

    def set_dof_state_tensor_indexed(self, sim, values, indices, count):
        physics = self._running(sim)
        for index in indices.content().tolist():
            if not len(physics.actors[index % len(physics.actors)].dofs):
                raise StandInError(f"actor {index} has no joints: its index corrupts the tensor")
        return self._indexed(sim, "dof", values, indices, count)

    def set_dof_actuation_force_tensor(self, sim, forces):
        physics = self._running(sim)
        self._driven(physics, DOF_MODE_EFFORT)
        self._take(sim, "forces", forces, physics.forces.size, torch.float32)
        return True

    def _driven(self, physics, mode):
        if any((actor.dofs["driveMode"] != int(mode)).any() for actor in physics.actors):
            raise StandInError(
                f"a joint's drive mode is not {mode}: it would ignore what it is told"
            )

    def set_dof_position_target_tensor(self, sim, targets):
        physics = self._running(sim)
        self._driven(physics, DOF_MODE_POS)
        self._take(sim, "targets", targets, physics.targets.size, torch.float32)
        return True

    def simulate(self, sim):
        physics = self._running(sim)
        self._apply(sim, physics)
        for _ in range(sim.params.substeps):
            physics.step()
        sim.simulated, sim.fetched = True, False

    def fetch_results(self, sim, wait):
        self._check(sim)
        sim.fetched = True

    def create_viewer(self, sim, properties):
        self._check(sim)
        if sim.graphics < 0:
            raise StandInError("a viewer needs a graphics device")
        return Viewer()

    def query_viewer_has_closed(self, viewer):
        return viewer.closed

    def step_graphics(self, sim):
        self._check(sim)

    def draw_viewer(self, viewer, sim, render_collision=True):
        viewer.frames += 1

    def sync_frame_time(self, sim):
        self._check(sim)

    def destroy_viewer(self, viewer):
        viewer.closed = True

    def _check(self, sim):
        if sim is not self._sim or sim.closed:
            raise StandInError("not the simulation of this process")

    def _building(self, sim):
        self._check(sim)
        if sim.physics is not None:
            raise StandInError("nothing is added or changed after prepare_sim")

    def _running(self, sim):
        self._check(sim)
        if sim.physics is None:
            raise StandInError("prepare_sim comes first")
        return sim.physics

    def _acquire(self, sim, name, shape):
        if name not in sim.tensors:
            sim.tensors[name] = Buffer(shape, sim.device)
        return sim.tensors[name].tensor()

    def _refresh(self, sim, name, rows):
        if sim.device == "cpu" and not getattr(sim, "fetched", True):
            raise StandInError("fetch_results comes before a refresh on the CPU pipeline")
        if name in sim.tensors:
            sim.tensors[name].refresh(rows())
        return name in sim.tensors

    def _indexed(self, sim, name, values, indices, count):
        physics = self._running(sim)
        total = len(physics.datas) * len(physics.actors)
        if indices.dtype != torch.int32:
            raise StandInError(f"actor indices are {indices.dtype}, not int32")
        chosen = indices.content().tolist()
        if count != len(chosen) or len(set(chosen)) != len(chosen):
            raise StandInError("as many different indices as the count says")
        if chosen and not 0 <= min(chosen) <= max(chosen) < total:
            raise StandInError("an index outside the simulation's domain")
        if name in sim.pending:
            raise StandInError(f"two indexed writes of {name} in a step: the first would be lost")
        rows = (physics.root_rows if name == "root" else physics.dof_rows)()
        self._take(sim, name, values, rows.size, torch.float32)
        sim.pending[name] += (indices, indices.content().clone())
        return True

    def _take(self, sim, name, values, size, dtype):
        if not isinstance(values, Tensor) or values.dtype != dtype:
            raise StandInError(f"{name} takes a {dtype} tensor, unwrapped")
        if int(np.prod(values.shape)) != size:
            raise StandInError(f"{name} takes the full tensor of {size} numbers")
        content = values.content()
        if str(content.device) != sim.device:
            raise StandInError(f"{name} lies on {content.device}, the simulation on {sim.device}")
        sim.pending[name] = (values, content.clone())

    def _apply(self, sim, physics):
        """Reads what was handed over by address, now, as the real one may."""
        for name, held in sim.pending.items():
            for tensor, was in zip(held[::2], held[1::2]):
                if not torch.equal(_bits(tensor.content()), _bits(was)):
                    raise StandInError(f"{name} was changed between its set and simulate")
        pending, sim.pending = sim.pending, {}
        if "root" in pending:
            rows = _host(pending["root"][1]).reshape(-1, 13)
            for index in pending["root"][3].tolist():
                physics.set_root_row(index, rows[index])
        if "dof" in pending:
            rows = _host(pending["dof"][1]).reshape(len(physics.datas), -1, 2)
            for index in pending["dof"][3].tolist():
                physics.set_dof_rows(index, rows[index // len(physics.actors)])
        physics.forces[:] = 0.0  # a force lasts for one simulate
        if "forces" in pending:
            physics.forces[:] = _host(pending["forces"][1]).reshape(physics.forces.shape)
        if "targets" in pending:
            physics.targets[:] = _host(pending["targets"][1]).reshape(physics.targets.shape)


def _moments(inertia):
    return np.array([[row.x, row.y, row.z] for row in (inertia.x, inertia.y, inertia.z)])


def _host(tensor):
    return tensor.cpu().numpy().astype(float)


def _bits(tensor):
    """Equal bits, so that NaN equals itself."""
    return tensor.contiguous().view(torch.int32)


def _dof_properties(asset):
    props = np.zeros(len(asset.robot.dofs), DOF_DTYPE)
    for row, joint in zip(props, asset.robot.dofs):
        row["hasLimits"] = True
        for name in ("lower", "upper", "effort", "velocity"):
            row[name] = joint.limit[name]
        row["driveMode"] = int(DOF_MODE_NONE)
    return props
