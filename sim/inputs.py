"""What is handed to an engine, told from what does not fit before a number of it is read.

Shape, dtype and device of an array are known on the host, so nothing here waits for a device.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import DTypeLike

from screwpush_sim.errors import InputMismatchError, SnapshotMismatchError
from screwpush_sim.protocol import SimSpec, Snapshot, Views
from screwpush_sim.variation import Params

Layout = tuple[tuple[int, ...], DTypeLike]
"""Shape and dtype."""


class Inputs:
    """The arrays that one simulator takes.

    Args:
      spec: N scenes of a robot with U controls.
      views: the engine's own, after which states are laid out. On a GPU everything must lie where
        they do; on the host JAX's CPU devices share one memory, and any of them will do.
    """

    def __init__(self, spec: SimSpec, views: Views):
        self._engine = spec.engine
        self._mask = (spec.num_envs,), np.dtype(bool)
        num_controls = len(spec.scene.robot.joints)
        self._control = (spec.num_envs, num_controls), np.dtype(np.float32)
        self._views = {name: (view.shape, view.dtype) for name, view in views.items()}
        (device,) = next(iter(views.values())).devices()
        self._device = None if device.platform == "cpu" else device

    def check_control(self, control: jax.Array) -> None:
        """Raises InputMismatchError unless `control` is float32 `[N, U]` on the device."""
        self._check("step", "control", control, self._control)

    def check_write(self, mask: jax.Array, views: Views) -> None:
        """Raises InputMismatchError unless `mask` is bool `[N]` and `views` are as the engine's."""
        self._check("write", "mask", mask, self._mask)
        if views.keys() != self._views.keys():
            raise InputMismatchError(
                f"engine {self._engine}: write takes the views {', '.join(sorted(self._views))},"
                f" got {', '.join(sorted(views)) or 'none'}"
            )
        for name, layout in self._views.items():
            self._check("write", f"the view {name!r}", views[name], layout)

    def _check(self, call: str, name: str, array: jax.Array, layout: Layout) -> None:
        asked = f"engine {self._engine}: {call} takes {name} as {_say(*layout)}"
        if not isinstance(array, jax.Array):
            raise InputMismatchError(f"{asked} in a jax.Array, got a {type(array).__name__}")
        if (array.shape, array.dtype) != layout:
            raise InputMismatchError(f"{asked}, got {_say(array.shape, array.dtype)}")
        devices = array.sharding.device_set
        if len(devices) != 1 or not self._takes(next(iter(devices))):
            where = " and ".join(sorted(map(str, devices)))
            raise InputMismatchError(f"{asked} on {self._device or 'one CPU device'}, got {where}")

    def _takes(self, device: Any) -> bool:
        return device.platform == "cpu" if self._device is None else device == self._device


def kept_params(params: Params) -> Snapshot:
    """The part of a snapshot that says how the scenes' physics differs."""
    return {f"param_{name}": np.array(value) for name, value in params.items()}


def check_snapshot(
    engine: str, wanted: Mapping[str, Layout], snapshot: Snapshot, params: Params | None = None
) -> None:
    """Raises SnapshotMismatchError unless `snapshot` has the names, shapes and dtypes `wanted`, and is of
    scenes that differ by `params`."""
    own = kept_params(params or {})
    wanted = {**wanted, **{name: (value.shape, value.dtype) for name, value in own.items()}}
    asked = {name: _say(*layout) for name, layout in sorted(wanted.items())}
    got = {name: _say(np.shape(a), np.asarray(a).dtype) for name, a in sorted(snapshot.items())}
    if got != asked:
        raise SnapshotMismatchError(f"engine {engine} takes a snapshot {asked}, got {got}")
    for name, value in own.items():
        if not np.array_equal(snapshot[name], value):
            raise SnapshotMismatchError(
                f"engine {engine}: the snapshot is of scenes with another {name.removeprefix('param_')}"
            )


def _say(shape: tuple[int, ...], dtype: DTypeLike) -> str:
    return f"{np.dtype(dtype)} {list(shape)}"
