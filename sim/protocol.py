"""The contract between a physics engine and everything else. Of this package, read this file first.

A simulator steps `N` scenes (`sim/scene.py`): a robot of `J` joints and `U` controls, and groups of `B`
free bodies each. It knows no task, no reward and no episode. One control step reads like this::

    views = sim.views()                                        # the engine's own memory
    control, mask, reset_views, carry = transition(..., views)  # one jitted call reads it
    sim.write(mask, reset_views)                               # finished scenes start anew
    sim.step(control)                                          # physics moves on

Who may read which memory until when is written in `sim/bridge.py`.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol, TypeAlias

import jax
import numpy as np

from screwpush_sim.clock import Report
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState

Views: TypeAlias = dict[str, jax.Array]
"""An engine's own tensors by name, leading axis `N`; only its `unpack` and `pack` know the rest."""

Snapshot: TypeAlias = dict[str, np.ndarray]
"""Everything that decides an engine's future, on the host, leading axis `N`."""


@dataclasses.dataclass(frozen=True)
class SimSpec:
    """What a simulator is: fixed when it is built."""

    engine: str
    num_envs: int
    scene: Scene
    deterministic: bool
    """True if equal states and controls give bit-equal futures, in this process and the next."""

    @property
    def control_dt_s(self) -> float:
        """Length of one control step, seconds."""
        return self.scene.physics.control_dt_s


class Simulator(Protocol):
    """A batch of scenes. Backends are final classes without a common base."""

    @property
    def spec(self) -> SimSpec: ...

    @property
    def params(self) -> dict[str, jax.Array]:
        """How each scene's physics differs: factors `[N]` on what the scene says, by the names of
        `variation.Variation`; only those that were drawn when it was built, and fixed since."""
        ...

    def views(self) -> Views:
        """The engine's tensors as JAX arrays, zero-copy.

        Fresh after `step` and after `restore`. Not after `write`: the caller knows what it wrote.
        An array is valid until the next `step`; ask for a new one each time.
        """
        ...

    def unpack(self, views: Views) -> SimState:
        """Layout, quaternion order and frames of the engine to the contract's. Pure; used in jit."""
        ...

    def pack(self, state: SimState) -> Views:
        """The inverse of `unpack`. Pure; used in jit."""
        ...

    def write(self, mask: jax.Array, views: Views) -> None:
        """Replaces the state of the scenes whose `mask [N]` is true, warm starts included.

        Raises:
          errors.InputMismatchError: `mask` is not bool `[N]`, or `views` have other names, shapes
            or dtypes than the engine's own, or lie on another device. Nothing has been replaced.
        """
        ...

    def step(self, control: jax.Array) -> None:
        """One control step under `control [N, U]`: of each drive a joint target (rad) or torque (N m).

        Each is kept within what its drive takes (`RobotModel.control_range`); one that is no number
        keeps the drive's last. A scene that blows up shows non-finite or huge values in `views`; it
        raises nothing.

        Raises:
          errors.InputMismatchError: `control` is not float32 `[N, U]` on the device of the
            views. Nothing has moved.
          errors.WorkerError: the engine's process has failed, in this step or an earlier one. An
            engine that only queues steps tells it at a later call, and what `views` show until
            then is worth nothing: read a `report` or take a `snapshot` before results are used.
        """
        ...

    def report(self) -> Callable[[], Report]:
        """Figures of the steps since the last report: `sim/clock.py`'s, and the engine's own.

        Returns at once; the function that it returns reads them, waiting for those steps to end.

        Raises:
          errors.SimOverflowError: (when read) physics was wrong more often than allowed.
          errors.WorkerError: (when read, too) as `step`.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Copies what decides the engine's future to the host, when all steps have ended.

        Raises:
          errors.WorkerError: as `step`.
        """
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Takes a `snapshot` back.

        Raises:
          errors.SnapshotMismatchError: it is another engine's or another scene's: names, shapes or
            dtypes differ. Nothing has been taken.
        """
        ...

    def close(self) -> None:
        """Frees the engine. May be called again.

        Raises:
          errors.DeviceLostError: the driver took the GPU from this process in the meantime.
        """
        ...
