"""Where one looks from: at all scenes, or at one of them from one of its cameras."""

from typing import NamedTuple

import numpy as np

from screwpush_sim.grid import SceneGrid

_MARGIN = 1.25


class Look(NamedTuple):
    """A camera's place."""

    pos_w: np.ndarray  # [3] m
    target_w: np.ndarray  # [3] m
    fov_rad: float
    """Vertical."""


def looks(grid: SceneGrid) -> dict[str, Look]:
    """By the names that a person chooses from; the first is what one sees at first."""
    cameras = grid.scene.cameras
    found = {"all scenes": _at_all(grid)}
    for scene, offset in enumerate(grid.offsets_w):
        for camera in cameras:
            fov = float(np.radians(camera.fovy_deg))
            look = Look(np.add(camera.pos_w, offset), np.add(camera.target_w, offset), fov)
            found[f"scene {scene + 1}, {camera.name}"] = look
    return found


def _at_all(grid: SceneGrid) -> Look:
    """As the scene's last camera looks, from so far away that all scenes are in the picture."""
    view = grid.scene.view
    middle = np.add(view.center_w, grid.offsets_w.mean(axis=0))
    back = np.array([-1.4, -1.6, 0.8])
    if grid.scene.cameras:
        camera = grid.scene.cameras[-1]
        back = np.subtract(camera.pos_w, camera.target_w)
    reach_m = np.linalg.norm(np.ptp(grid.offsets_w, axis=0)) / 2 + view.extent_m
    fov = np.radians(45.0)
    distance_m = _MARGIN * reach_m / np.tan(fov / 2)
    return Look(middle + back / np.linalg.norm(back) * distance_m, middle, float(fov))
