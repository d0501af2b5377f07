"""How deep bodies are in each other, whichever engine moved them: found by MuJoCo in float64."""

# pyright: reportAttributeAccessIssue=false
# mujoco's names come from a compiled module without stubs.

import jax
import mujoco
import numpy as np

from screwpush_sim.builders import mjcf
from screwpush_sim.engines import mujoco_layout
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState

PAIRS = ("rod-bolt", "bolt-bolt", "bolt-table", "rod-table", "wrist-table")
"""What may overlap in the scene of the arm with bolts."""
_LABELS = {"world": "table", "tool": "rod", "link5": "wrist"}


class OverlapMeter:
    """Finds overlaps in states of one scene, of the arm with bolts."""

    def __init__(self, scene: Scene):
        self._model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene))
        self._data = mujoco.MjData(self._model)
        self._pack = mujoco_layout.make_layout(scene).pack
        bodies = [self._model.body(i).name for i in self._model.geom_bodyid]
        labels = np.array([_LABELS.get(name, "bolt") for name in bodies])
        self._pair = np.array([[_pair(a, b) for b in labels] for a in labels])  # [G, G]

    def deepest_m(self, state: SimState) -> dict[str, np.ndarray]:
        """Deepest overlap `[N]` of each of `PAIRS` in each scene of `state`, 0 where there is none.

        Shapes that the scene lets pass through each other are not looked at.
        """
        qpos = np.asarray(self._pack(jax.tree.map(np.asarray, state))["qpos"], np.float64)
        deepest = np.zeros((len(PAIRS), len(qpos)))
        for row, position in enumerate(qpos):
            if np.isfinite(position).all():
                self._measure(position, deepest[:, row])
        return dict(zip(PAIRS, deepest, strict=True))

    def _measure(self, qpos: np.ndarray, deepest: np.ndarray) -> None:
        """Of one scene, into `deepest` by the place in `PAIRS`."""
        self._data.qpos[:] = qpos
        mujoco.mj_fwdPosition(self._model, self._data)
        contact = self._data.contact
        pair = self._pair[contact.geom[:, 0], contact.geom[:, 1]]
        np.maximum.at(deepest, pair, -contact.dist)


def _pair(one: str, other: str) -> int:
    """Place in `PAIRS`; -1 for two that are not there, which never meet."""
    names = f"{one}-{other}", f"{other}-{one}"
    return next((i for i, name in enumerate(PAIRS) if name in names), -1)
