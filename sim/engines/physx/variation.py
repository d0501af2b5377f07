"""Physics that differs from scene to scene, told to PhysX by its tensors of properties.

Of two shapes in contact the larger friction counts, and all scenes stand on one ground: where friction
differs the ground has none of its own (`slippery_ground`), and a shape brings that of both.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from screwpush_sim.engines.physx.session import Session
from screwpush_sim.errors import SceneNotSupportedError
from screwpush_sim.scene import Scene
from screwpush_sim.variation import Params

_SLIDING = slice(0, 2)
"""Of a shape's static and dynamic friction and its restitution."""


def slippery_ground(scene: Scene, params: Params) -> bool:
    """Whether the ground has to be without friction.

    Raises:
      SceneNotSupportedError: a shape slides more easily than the ground, which then would not count.
    """
    if "friction" not in params:
        return False
    usual = scene.physics.friction
    for owner in (*scene.robot.links, *scene.groups):
        for shape in owner.shapes:
            if shape.friction is not None and shape.friction < usual:
                raise SceneNotSupportedError(
                    f"engine physx: friction cannot be varied where {owner.name}'s {shape.name!r} has less"
                    f" of it, {shape.friction:g}, than the ground, {usual:g}"
                )
    return True


def vary(session: Session, scene: Scene, params: Params) -> None:
    """Gives each scene its own properties; call when the tensors are valid.

    The drives of joints that are told their torque have no property for that: see `Tensors`.
    """
    has_bodies = any(group.count for group in scene.groups)
    scale = _Scale(session, len(next(iter(params.values()))))
    for name, factor in params.items():
        if name == "friction":
            scale.robots("ARTICULATION_SHAPE_FRICTION_AND_RESTITUTION", factor, _SLIDING)
            if has_bodies:
                scale.bodies("RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION", factor, _SLIDING)
        elif name == "body_mass":
            scale.bodies("RIGID_BODY_MASS", factor)
            scale.bodies("RIGID_BODY_INERTIA", factor)
        elif name == "robot_mass":
            scale.robots("ARTICULATION_BODY_MASS", factor)
            scale.robots("ARTICULATION_BODY_INERTIA", factor)
        elif name == "drive_gain" and scene.robot.joints[0].drive.kind == "position":
            scale.robots("ARTICULATION_DOF_STIFFNESS", factor)
            scale.robots("ARTICULATION_DOF_DAMPING", factor)


class _Scale:
    """Multiplies properties, scene by scene; these tensors are the host's on a GPU, too."""

    def __init__(self, session: Session, num_envs: int):
        self._session, self._num_envs = session, num_envs

    def robots(self, kind: str, factor: np.ndarray, part: slice = slice(None)) -> None:
        self._multiply(self._session.bind_robots, kind, factor, part)

    def bodies(self, kind: str, factor: np.ndarray, part: slice = slice(None)) -> None:
        self._multiply(self._session.bind_bodies, kind, factor, part)

    def _multiply(
        self, bind: Callable[[str], Any], kind: str, factor: np.ndarray, part: slice
    ) -> None:
        binding = bind(kind)
        values = np.zeros(binding.shape, np.float32)
        binding.read(values)
        rows = values.reshape(self._num_envs, -1, values.shape[-1] if values.ndim > 1 else 1)
        rows[..., part] *= factor[:, None, None]
        binding.write(values)
