"""The memory that PhysX, the contract's views and JAX share, on whichever device, and what writes it.

Poses in PhysX are where its scenes stand; views are each scene's own. On a GPU all scenes stand in one
place, kept apart by their numbers, and both are the same memory; on the CPU they stand apart.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false
# pyright: reportReturnType=false
# warp's arrays carry no types.

from typing import Any

import jax
import numpy as np
import warp as wp

from screwpush_sim import bridge
from screwpush_sim.engines.physx import kernels
from screwpush_sim.engines.physx.session import Session
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


class Tensors:
    """Bindings of a session, and the memory that they read into and write from."""

    def __init__(
        self,
        session: Session,
        scene: Scene,
        origins_m: np.ndarray,
        order: tuple[int, ...],
        device: Any,
    ):
        self._device, self._order = device, order
        count = len(origins_m)
        bodies = sum(group.count for group in scene.groups)
        joints = scene.robot.joints
        free = scene.robot.base == "free"
        shapes = {
            **dict.fromkeys(("joint_pos", "joint_vel"), (count, len(joints))),
            **({"base_pose": (count, 7), "base_velocity": (count, 6)} if free else {}),
            **(
                {"body_pose": (count, bodies, 7), "body_velocity": (count, bodies, 6)}
                if bodies
                else {}
            ),
            **dict.fromkeys(
                CONTACT if scene.contact_links else (), (count, len(scene.contact_links), 3)
            ),
        }
        torque = [not isinstance(joint.drive, PositionDrive) for joint in joints]
        with wp.ScopedDevice(device):
            self.arrays = {name: wp.zeros(shape, dtype=float) for name, shape in shapes.items()}
            nothing = wp.zeros((count, 0), dtype=float)
            self._rows = {
                name: self.arrays[name].reshape((count, -1)) if name in shapes else nothing
                for name in STATE
            }
            apart = bool(np.any(origins_m))
            self._placed = {
                name: wp.zeros_like(self._rows[name]) if apart else self._rows[name]
                for name in ("base_pose", "body_pose")
            }
            self._origins = wp.array(origins_m, dtype=wp.vec2)
            self._broken = wp.zeros(count, dtype=wp.bool)
            self._given = wp.zeros(count, dtype=wp.uint8)
            self._given_bodies = wp.zeros((count, bodies), dtype=wp.uint8)
            self.control = wp.zeros((count, len(joints)), dtype=float)
            """In force `[N, U]`, in the scene's order, within what the drives take."""
            self._targets, self._forces = (wp.zeros_like(self.control) for _ in range(2))
            self._limits = [wp.array(r, dtype=float) for r in scene.robot.control_range]
            self._torque = wp.array(torque, dtype=wp.bool)
            self._joints = wp.array(order, dtype=int)
        self._bind(session, scene, torque)

    def _bind(self, session: Session, scene: Scene, torque: list[bool]) -> None:
        self._bindings = {}
        for name, kind in STATE.items():
            if name in self.arrays:
                of_bodies = name.startswith("body")
                bind = session.bind_bodies if of_bodies else session.bind_robots
                binding, rows = bind(kind), self._placed.get(name, self._rows[name])
                self._bindings[name] = binding, rows.reshape(binding.shape)
        self._commands = []
        if not all(torque):
            binding = session.bind_robots("ARTICULATION_DOF_POSITION_TARGET")
            self._commands.append((binding, self._targets))
        self._torques = None
        if any(torque):
            self._torques = session.bind_robots("ARTICULATION_DOF_ACTUATION_FORCE"), self._forces
        self._contacts = session.bind_contacts() if scene.contact_links else None
        if self._contacts is not None:
            rows = len(scene.contact_links) * len(self._origins)
            self._contact_rows = [self.arrays[name].reshape((rows, 3)) for name in CONTACT]

    def views(self) -> Views:
        """The engine's own memory."""
        return {name: bridge.to_jax(array) for name, array in self.arrays.items()}

    def take_control(self, asked: "wp.array") -> None:
        """Clips and sorts the controls `asked [N, U]`; what is no number keeps the last."""
        inputs = [asked, *self._limits, self._joints, self.control, self._torque]
        outputs = [self._targets, self._forces]
        wp.launch(kernels.take_control, self.control.shape, inputs, outputs, device=self._device)

    def command(self) -> None:
        """Hands the targets to PhysX, before a control step."""
        for binding, array in self._commands:
            binding.write(array)

    def push(self) -> None:
        """Hands the torques to PhysX, before each physics step: whether it keeps them is not said."""
        if self._torques is not None:
            binding, array = self._torques
            binding.write(array)

    def write(self, mask: "wp.array", new: dict[str, "wp.array"]) -> None:
        """Replaces the state of the scenes whose `mask [N]` is true; `new` is laid out as the views.

        A state that holds what is no number is not given to PhysX, whose broad phase has all scenes in
        it: the views show it as broken until it is replaced.
        """
        count = len(self._origins)
        given = [
            new[name].reshape((count, -1)) if name in new else self._rows[name] for name in STATE
        ]
        wp.launch(
            kernels.take_state,
            count,
            inputs=[mask, self._origins, *given],
            outputs=[
                *(*self._rows.values(), *self._placed.values()),
                *(self._broken, self._given, self._given_bodies),
            ],
            device=self._device,
        )
        bodies = self._given_bodies.reshape((-1,))
        for name, (binding, rows) in self._bindings.items():
            binding.write(rows, mask=bodies if name.startswith("body") else self._given)

    def read(self) -> None:
        """Brings the views up to date after a control step."""
        for binding, rows in self._bindings.values():
            binding.read(rows)
        if self._contacts is not None:
            normal, friction = self._contact_rows
            self._contacts.read_net_normal_forces(normal)
            self._contacts.read_net_friction_forces(friction)
        wp.launch(
            kernels.show_state,
            len(self._origins),
            inputs=[self._origins, self._broken],
            outputs=[*self._placed.values(), *self._rows.values()],
            device=self._device,
        )


def to_warp(array: jax.Array) -> "wp.array":
    """Memory that JAX lends, read on Warp's stream after the call that makes it."""
    return wp.from_dlpack(bridge.lend(array))
