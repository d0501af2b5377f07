"""Several scenes of one kind side by side, whatever engine made their states: posed, never stepped.

What shows them one body at a time (a browser, a window) takes the model and the poses from here.
"""

# pyright: reportAttributeAccessIssue=false
# mujoco's names come from a compiled module without stubs.

from typing import NamedTuple, final
from xml.etree import ElementTree as ET

import mujoco
import numpy as np

from screwpush_sim.builders import mjcf
from screwpush_sim.engines.mujoco_layout import make_layout
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState

_APART = 1.8
"""Distance of two neighbours, in extents of the scene's view."""


class Poses(NamedTuple):
    """Where the bodies of the model stand. N scenes, B bodies, M of them fixed in their scene."""

    body_pos_w: np.ndarray  # [N, B, 3] m
    body_mat_w: np.ndarray  # [N, B, 3, 3]
    fixed_pos_w: np.ndarray  # [N, M, 3] m, MuJoCo's `mocap` bodies
    fixed_quat_w: np.ndarray  # [N, M, 4] wxyz


@final
class SceneGrid:
    """N scenes in rows and columns, the first one where the world's origin is."""

    def __init__(self, scene: Scene, count: int):
        self.model = mujoco.MjModel.from_xml_string(
            _movable(mjcf.build_mjcf(scene, with_visuals=True))
        )
        self.scene = scene
        self.offsets_w = _offsets(count, _APART * scene.view.extent_m)
        self.data = [mujoco.MjData(self.model) for _ in range(count)]
        self._fixed_pos = self.data[0].mocap_pos.copy()
        self._pack = make_layout(scene).pack
        for data, offset in zip(self.data, self.offsets_w, strict=True):
            data.mocap_pos[:] = self._fixed_pos + offset

    def borders_w(self) -> np.ndarray:
        """The corners `[N, 4, 3]` (m) of each scene's part of the floor."""
        view, floors = self.scene.view, [m for m in self.scene.marks if m.kind == "plane"]
        half = 0.45 * _APART * view.extent_m * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        height = np.full((4, 1), floors[0].height_m if floors else 0.0)
        corners = np.concatenate([half + view.center_w[:2], height], axis=-1)
        return self.offsets_w[:, None] + corners

    def above_w(self) -> np.ndarray:
        """A place `[N, 3]` (m) above each scene."""
        view = self.scene.view
        return self.offsets_w + view.center_w + (0.0, 0.0, 0.8 * view.extent_m)

    def use_plain_colors(self) -> None:
        """Gives each material the mean colour of its texture, for viewers that show no texture."""
        model = self.model
        for material, textures in enumerate(model.mat_texid):
            for texture in textures[textures >= 0]:
                start, channels = model.tex_adr[texture], model.tex_nchannel[texture]
                size = model.tex_height[texture] * model.tex_width[texture] * channels
                texels = model.tex_data[start : start + size].reshape(-1, channels)
                model.mat_rgba[material, :3] *= texels[:, :3].mean(axis=0) / 255
        model.mat_texid[:] = -1

    def place(self, state: SimState) -> list[mujoco.MjData]:
        """Kinematics of each scene of `state [N, ...]` at its place; the same objects at each call."""
        rows = np.asarray(self._pack(self._shifted(state))["qpos"])
        for data, row in zip(self.data, rows, strict=True):
            data.qpos[:] = row
            mujoco.mj_kinematics(self.model, data)
        return self.data

    def poses(self, state: SimState) -> Poses:
        """The poses of all bodies of `state [N, ...]`."""
        placed = self.place(state)
        return Poses(
            np.stack([data.xpos for data in placed]),
            np.stack([data.xmat.reshape(-1, 3, 3) for data in placed]),
            np.stack([data.mocap_pos for data in placed]),
            np.stack([data.mocap_quat for data in placed]),
        )

    def _shifted(self, state: SimState) -> SimState:
        """What is free to move, brought to its scene's place."""
        offsets = self.offsets_w.astype(np.float32)
        for name, group in state.bodies.items():
            state = state.with_bodies(name, pos_w=group.pos_w + offsets[:, None])
        if state.robot.base_pos_w is not None:
            state = state.with_robot(base_pos_w=state.robot.base_pos_w + offsets)
        return state


def _offsets(count: int, apart_m: float) -> np.ndarray:
    """Places `[N, 3]` on a grid that is about as wide as it is deep."""
    columns = int(np.ceil(np.sqrt(count)))
    row, column = np.divmod(np.arange(count), columns)
    return np.stack([-apart_m * row, -apart_m * column, 0.0 * row], axis=-1)


def _movable(xml: str) -> str:
    """The model with all that is fixed in a scene on bodies that can be put anywhere (`mocap`).

    The floor alone stays, once for all scenes; the ground, which is not drawn, is left out.
    """
    root = ET.fromstring(xml)
    world = root.find("worldbody")
    assert world is not None
    surroundings = ET.Element("body", name="surroundings", mocap="true")
    for geom in world.findall("geom"):
        if geom.get("name") == "ground":
            world.remove(geom)
        elif geom.get("type") != "plane":
            world.remove(geom)
            surroundings.append(geom)
    for body in world.findall("body"):
        if body.find("freejoint") is None and body.find("joint") is None:
            body.set("mocap", "true")
    if len(surroundings):
        world.append(surroundings)
    return ET.tostring(root, encoding="unicode")
