"""One PhysX instance with N environments, and the bindings of their tensors.

The bindings are deprecated since ovphysx 0.6 and the only way to all joints in one tensor: this file is
the only one that knows them.
"""

# pyright: reportMissingImports=false
# an optional extra

import ctypes
import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Any

import warp as wp

from screwpush_sim.builders import usd
from screwpush_sim.engines.physx import library
from screwpush_sim.errors import SceneNotSupportedError, SimError
from screwpush_sim.options import PhysxConfig
from screwpush_sim.scene import Scene


class Session:
    """Builds the scenes.

    Args:
      origins_m: x and y of each scene's place `[N]`.
      gpu: number of the CUDA device, None for the CPU.
      slippery_ground: the ground has no friction of its own.
    """

    def __init__(
        self,
        scene: Scene,
        origins_m: list[tuple[float, float]],
        config: PhysxConfig,
        gpu: int | None,
        *,
        slippery_ground: bool = False,
    ):
        self._scene, self._num_envs = scene, len(origins_m)
        self._bindings: list[Any] = []
        self._stage: Any = None
        self._physx: Any = None
        if config.body_capsules == "auto":
            kind = "capsule" if gpu is None else "hull"
            config = dataclasses.replace(config, body_capsules=kind)
        text = usd.build_usda(scene, config, self._num_envs, slippery_ground=slippery_ground)
        ovphysx = library.load(gpu is not None)
        library.set_threads(ovphysx, config.num_threads or _cores())
        with library.deprecated():
            self._physx = ovphysx.PhysX() if gpu is None else _direct_gpu(ovphysx, gpu)
        library.route_log(ovphysx)
        self._types = ovphysx.TensorType
        try:
            self._attach(text)
            self._clone(origins_m, apart=gpu is None)
        except BaseException:
            self.close()
            raise

    def _attach(self, text: str) -> None:
        import ovstage

        self._stage = ovstage.Stage("screwpush")
        with tempfile.TemporaryDirectory(prefix="screwpush-physx-") as folder:
            file = Path(folder) / "scene.usda"
            file.write_text(text)
            domains = ovstage.PopulationDomain.ALL
            ovstage.population.open_usd(self._stage, str(file), ordinal=1, domains=domains)
            self._stage.advance_write_floor(ordinal=1).wait()
            self._physx.wait_task(self._physx.attach_ovstage(self._stage, read_ordinal=1))

    def _clone(self, origins_m: list[tuple[float, float]], *, apart: bool) -> None:
        targets = [usd.env_path(env) for env in range(1, self._num_envs)]
        if targets:
            places = [(x, y, 0.0, 0.0, 0.0, 0.0, 1.0) for x, y in origins_m[1:]]
            self._physx.wait_task(
                self._physx.clone(
                    usd.env_path(0), targets, anchor_transforms=places if apart else None
                )
            )

    def warm_up(self) -> None:
        """Makes the tensors valid; call when all bindings are there."""
        self._physx.warmup()

    def bind_robots(self, kind: str) -> Any:
        """A binding of all robots' `TensorType` of this name, a row for each scene."""
        model = self._scene.robot
        root = [model.links[0].name] if model.base == "free" else []
        paths = ["/".join([f"{usd.env_path(e)}/robot", *root]) for e in range(self._num_envs)]
        return self._bind(kind, paths)

    def bind_bodies(self, kind: str) -> Any:
        """A binding of all bodies' `TensorType` of this name, scene by scene, group by group."""
        paths = [
            usd.body_path(group, index, env)
            for env in range(self._num_envs)
            for group in self._scene.groups
            for index in range(group.count)
        ]
        return self._bind(kind, paths)

    def bind_contacts(self) -> Any:
        """A binding of the contact forces of the scene's contact links, scene by scene."""
        paths = [
            usd.link_path(link, env)
            for env in range(self._num_envs)
            for link in self._scene.contact_links
        ]
        with library.deprecated():
            binding = self._physx.create_contact_binding(sensor_patterns=paths)
        self._bindings.append(binding)
        _check_rows("contacts", binding.sensor_paths, paths)
        return binding

    def step(self, dt_s: float) -> None:
        """One physics step of all scenes; returns when it is done."""
        self._physx.step_sync(dt_s)

    def close(self) -> None:
        """May be called again."""
        bindings, self._bindings = self._bindings, []
        for binding in bindings:
            binding.destroy()
        stage, self._stage = self._stage, None
        if stage is not None:
            if self._physx.is_stage_attached(stage):
                self._physx.wait_task(self._physx.detach_ovstage())
            stage.destroy()
        physx, self._physx = self._physx, None
        if physx is not None:
            physx.destroy()

    def _bind(self, kind: str, paths: list[str]) -> Any:
        with library.deprecated():
            binding = self._physx.create_tensor_binding(
                prim_paths=paths, tensor_type=self._types[kind]
            )
        self._bindings.append(binding)
        _check_rows(kind, binding.prim_paths, paths)
        return binding


def descriptor(array: Any) -> Any:
    """A Warp array as PhysX's calls take it without looking at it, and so without waiting for it."""
    from ovphysx.dlpack import DLDataType, DLDevice, DLDeviceType, DLTensor

    kind = DLDeviceType.kDLCUDA if array.device.is_cuda else DLDeviceType.kDLCPU
    ordinal = array.device.ordinal if array.device.is_cuda else 0
    code, bits, lanes = DLDataType.TYPE_MAP["float32" if array.dtype is wp.float32 else "uint8"]
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    tensor = DLTensor(
        data=array.ptr,
        device=DLDevice(device_type=kind, device_id=ordinal),
        ndim=array.ndim,
        dtype=DLDataType(code=code, bits=bits, lanes=lanes),
        shape=ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64)),
        strides=None,
        byte_offset=0,
    )
    tensor.kept = shape, array  # as long as it is used
    return tensor


def joint_order(scene: Scene, found: list[str]) -> tuple[int, ...]:
    """Which of the scene's joints each of PhysX's is, by their prims' names `found`.

    Raises:
      SceneNotSupportedError: they are not the same joints.
    """
    wanted = [usd.identifier(joint.name) for joint in scene.robot.joints]
    if sorted(found) != sorted(wanted) or len(set(wanted)) < len(wanted):
        raise SceneNotSupportedError(
            f"engine physx: PhysX found the joints {', '.join(found)}; expected"
            f" {', '.join(wanted)}, each once"
        )
    return tuple(wanted.index(name) for name in found)


def _direct_gpu(ovphysx: Any, ordinal: int) -> Any:
    """An instance whose state tensors never leave the GPU."""
    settings = {"/physics/suppressReadback": True}
    physx = ovphysx.PhysX(config=ovphysx.PhysXConfig(carbonite_overrides=settings))
    physx.set_config(ovphysx.ConfigKey.ACTIVE_CUDA_GPUS, str(ordinal))
    return physx


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_rows(kind: str, found: list[str], wanted: list[str]) -> None:
    if found != wanted:
        raise SimError(
            f"engine physx: PhysX orders the rows of {kind} {found[:4]}... ({len(found)}), expected"
            f" {wanted[:4]}... ({len(wanted)})"
        )
