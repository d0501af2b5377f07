"""The memory that PhysX, the contract's views and JAX share, on whichever device, and what writes it.

Poses in PhysX are where its scenes stand; views are each scene's own. On a GPU all scenes stand in one
place, kept apart by their numbers, and both are the same memory; on the CPU they stand apart.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false
# pyright: reportReturnType=false
# warp's arrays carry no types.

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
import warp as wp

from screwpush_sim import bridge
from screwpush_sim.engines.physx import kernels
from screwpush_sim.engines.physx.session import Session, descriptor
from screwpush_sim.protocol import Views
from screwpush_sim.scene import PositionDrive, Scene

STATE = {
    "joint_pos": "ARTICULATION_DOF_POSITION",
    "joint_vel": "ARTICULATION_DOF_VELOCITY",
    "base_pose": "ARTICULATION_ROOT_POSE",
    "base_velocity": "ARTICULATION_ROOT_VELOCITY",
    "body_pose": "RIGID_BODY_POSE",
    "body_velocity": "RIGID_BODY_VELOCITY",
}
"""The views that make up a scene's state, by the tensors that hold them."""
CONTACT = ("contact_normal", "contact_friction")

_POSES = ("joint_pos", "base_pose", "body_pose")
_VELOCITIES = ("joint_vel", "base_velocity", "body_velocity")


def view_shapes(scene: Scene, num_envs: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the views that this scene has."""
    bodies, links = sum(group.count for group in scene.groups), len(scene.contact_links)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("joint_pos", "joint_vel"), (num_envs, len(scene.robot.joints))
    )
    if scene.robot.base == "free":
        shapes |= {"base_pose": (num_envs, 7), "base_velocity": (num_envs, 6)}
    if bodies:
        shapes |= {"body_pose": (num_envs, bodies, 7), "body_velocity": (num_envs, bodies, 6)}
    return shapes | dict.fromkeys(CONTACT if links else (), (num_envs, links, 3))


class Tensors:
    """Bindings of a session, and the memory that they read into and write from.

    The bindings are given descriptors of that memory, which they take as it is, so that what Warp's stream
    was given must have been waited for. They return when they are done, and what was queued on the stream
    after the wait touches nothing of theirs. `torque_gain [N]` is what a scene's torques are multiplied by.
    """

    def __init__(
        self,
        session: Session,
        scene: Scene,
        origins_m: np.ndarray,
        order: tuple[int, ...],
        torque_gain: np.ndarray,
        device: Any,
    ):
        self._device, self._count = device, len(origins_m)
        bodies = sum(group.count for group in scene.groups)
        torque = [not isinstance(joint.drive, PositionDrive) for joint in scene.robot.joints]
        shapes = view_shapes(scene, self._count)
        with wp.ScopedDevice(device):
            self.arrays = {name: wp.zeros(shape, dtype=float) for name, shape in shapes.items()}
            nothing = wp.zeros((self._count, 0), dtype=float)
            self._rows = {
                name: self.arrays[name].reshape((self._count, -1)) if name in shapes else nothing
                for name in STATE
            }
            apart = bool(np.any(origins_m))
            self._placed = {
                name: wp.zeros_like(self._rows[name]) if apart else self._rows[name]
                for name in ("base_pose", "body_pose")
            }
            self._origins = wp.array(origins_m, dtype=wp.vec2)
            self._broken = wp.zeros(self._count, dtype=wp.bool)
            masks = [
                wp.zeros(shape, dtype=wp.uint8) for shape in (self._count, (self._count, bodies))
            ]
            self._given, self._intact = masks, [wp.zeros_like(mask) for mask in masks]
            self._any_given = wp.zeros(1, dtype=int)
            self._any_given_host = self._any_given
            if device.is_cuda:
                self._any_given_host = wp.zeros(1, dtype=int, device="cpu", pinned=True)
            self.control = wp.zeros((self._count, len(torque)), dtype=float)
            """In force `[N, U]`, in the scene's order, within what the drives take."""
            self._targets, self._forces = (wp.zeros_like(self.control) for _ in range(2))
            self._limits = [wp.array(r, dtype=float) for r in scene.robot.control_range]
            self._torque = wp.array(torque, dtype=wp.bool)
            self._joints = wp.array(order, dtype=int)
            self._torque_gain = wp.array(torque_gain, dtype=float)
        self._bind(session, scene, torque)

    def _bind(self, session: Session, scene: Scene, torque: list[bool]) -> None:
        self._bindings = {}
        for name, kind in STATE.items():
            if name in self.arrays:
                bind = session.bind_bodies if _of_bodies(name) else session.bind_robots
                binding, rows = bind(kind), self._placed.get(name, self._rows[name])
                self._bindings[name] = binding, descriptor(rows.reshape(binding.shape))
        self._masks = {
            id(masks): [descriptor(mask.reshape((-1,))) for mask in masks]
            for masks in (self._given, self._intact)
        }
        self._commands, self._torques = [], []
        if not all(torque):
            binding = session.bind_robots("ARTICULATION_DOF_POSITION_TARGET")
            self._commands.append((binding, descriptor(self._targets)))
        if any(torque):
            binding = session.bind_robots("ARTICULATION_DOF_ACTUATION_FORCE")
            self._torques.append((binding, descriptor(self._forces)))
        self._contacts = []
        if scene.contact_links:
            binding, rows = session.bind_contacts(), len(scene.contact_links) * self._count
            reads = binding.read_net_normal_forces, binding.read_net_friction_forces
            for read, name in zip(reads, CONTACT, strict=True):
                self._contacts.append((read, descriptor(self.arrays[name].reshape((rows, 3)))))

    def views(self) -> Views:
        """The engine's own memory."""
        return {name: bridge.to_jax(array) for name, array in self.arrays.items()}

    def take_control(self, asked: "wp.array") -> None:
        """Clips and sorts the controls `asked [N, U]`; what is no number keeps the last."""
        inputs = [asked, *self._limits, self._joints, self.control, self._torque, self._torque_gain]
        outputs = [self._targets, self._forces]
        wp.launch(kernels.take_control, self.control.shape, inputs, outputs, device=self._device)

    def take_state(self, mask: "wp.array", new: dict[str, "wp.array"]) -> None:
        """Replaces the state of the scenes whose `mask [N]` is true; `new` is laid out as the views.

        The views have it when Warp's stream has done it, PhysX when it is given it. A state that holds
        what is no number is not given to PhysX, whose broad phase has all scenes in it: the views show
        it as broken until it is replaced.
        """
        asked = [
            new[name].reshape((self._count, -1)) if name in new else self._rows[name]
            for name in STATE
        ]
        wp.launch(
            kernels.take_state,
            self._count,
            inputs=[mask, self._origins, *asked],
            outputs=[
                *(*self._rows.values(), *self._placed.values()),
                *(self._broken, *self._given, *self._intact, self._any_given),
            ],
            device=self._device,
        )

    def wait(self) -> bool:
        """Until Warp's stream has done all that it was given.

        Nothing that PhysX promises makes its bindings wait for that stream; on an H100 they did.

        Returns:
          Whether there are states that PhysX is to be given.
        """
        if self._device.is_cuda:
            wp.copy(self._any_given_host, self._any_given)
            wp.synchronize_stream(self._device.stream)
        return bool(self._any_given_host.numpy()[0])

    def give_poses(self) -> None:
        """Hands PhysX where everything is in the scenes that were written anew."""
        self._give(_POSES, self._given)

    def give_velocities(self, *, everywhere: bool) -> None:
        """Hands PhysX the velocities of those scenes, or of all; then no scene is new any more."""
        self._give(_VELOCITIES, self._intact if everywhere else self._given)
        for array in (*self._given, self._any_given):
            array.zero_()

    def _give(self, names: Iterable[str], masks: list["wp.array"]) -> None:
        of_scenes, of_bodies = self._masks[id(masks)]
        for name in names:
            if name in self._bindings:
                binding, rows = self._bindings[name]
                binding.write(rows, mask=of_bodies if _of_bodies(name) else of_scenes)

    def command(self) -> None:
        """Hands the targets to PhysX, before a control step."""
        for binding, array in self._commands:
            binding.write(array)

    def push(self) -> None:
        """Hands the torques to PhysX, before each physics step.

        Measured: it keeps them, on either device; nothing in its documentation says so.
        """
        for binding, array in self._torques:
            binding.write(array)

    def read(self) -> None:
        """Brings the views up to date after a control step."""
        for binding, rows in self._bindings.values():
            binding.read(rows)
        for read, rows in self._contacts:
            read(rows)
        wp.launch(
            kernels.show_state,
            self._count,
            inputs=[self._origins, self._broken],
            outputs=[*self._placed.values(), *self._rows.values()],
            device=self._device,
        )


def _of_bodies(name: str) -> bool:
    return name.startswith("body")


def to_warp(array: jax.Array) -> "wp.array":
    """Memory that JAX lends, read on Warp's stream after the call that makes it."""
    return wp.from_dlpack(bridge.lend(array))
