"""What a page draws over the scenes: the task's lines and labels, and how episodes ended."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from screwpush_jax.tasks.drawing import BAD, GOOD, Drawing
from screwpush_jax.viewer.session import Session
from screwpush_sim.grid import SceneGrid

RUNNING = 0.55, 0.58, 0.62
_LINE_M, _BORDER_M = 0.004, 0.03
_TEXT_M, _TITLE_M = 0.014, 0.08


class Overlay:
    """Lines and texts in a viser server's scene."""

    def __init__(self, server: Any, grid: SceneGrid):
        self._scene, self._offsets = server.scene, grid.offsets_w
        self._borders = [_sides(corners) for corners in grid.borders_w()]
        self._lines: dict[str, Any] = {}
        self._texts: dict[str, Any] = {}
        self._titles: dict[str, Any] = {}
        self._title_places = grid.above_w()

    def show(self, session: Session, with_drawings: bool) -> None:
        """Shows where the session stands, with what the task draws or without."""
        colors = [_color_of(session, scene) for scene in range(len(self._borders))]
        self._put_lines("/borders", self._borders, colors, _BORDER_M)
        titles = {
            f"/scene{scene}": (place, session.title(scene))
            for scene, place in enumerate(self._title_places)
        }
        self._put_texts(self._titles, titles, _TITLE_M)
        texts = self._put_drawings(session.drawings() if with_drawings else ())
        self._put_texts(self._texts, texts, _TEXT_M)

    def _put_drawings(self, drawings: Sequence[Drawing]) -> dict[str, tuple[np.ndarray, str]]:
        """Draws the lines; the texts that belong to them and to the labels, by name."""
        segments, colors, texts = [], [], {}
        for scene, (drawing, offset) in enumerate(zip(drawings, self._offsets, strict=False)):
            for number, line in enumerate(drawing.lines):
                segments.append(np.stack([[line.start_w, line.end_w]]) + offset)
                colors.append(line.color)
                if line.text:  # one above the other, where lines are short
                    raised = offset + (0.0, 0.0, 1.1 * _TEXT_M * number)
                    texts[f"/line{scene}_{number}"] = line.middle_w + raised, line.text
            for number, label in enumerate(drawing.labels):
                texts[f"/label{scene}_{number}"] = label.pos_w + offset, label.text
        self._put_lines("/drawing", segments, colors, _LINE_M)
        return texts

    def _put_lines(
        self, name: str, groups: Sequence[np.ndarray], colors: Sequence[Any], thickness_m: float
    ) -> None:
        """Segments `[L, 2, 3]` of each group in its colour."""
        if not groups:
            if name in self._lines:
                self._lines.pop(name).remove()
            return
        points = np.concatenate(groups).astype(np.float32)
        rgb = [np.full((len(g), 2, 3), c) for g, c in zip(groups, colors, strict=True)]
        shades = np.round(255 * np.concatenate(rgb)).astype(np.uint8)
        old = self._lines.get(name)
        if old is None or old.points.shape != points.shape:
            self._lines[name] = self._scene.add_line_segments(
                name, points, shades, thickness=thickness_m
            )
            return
        if not np.array_equal(old.points, points):
            old.points = points
        if not np.array_equal(old.colors, shades):
            old.colors = shades

    def _put_texts(
        self, shown: dict[str, Any], texts: dict[str, tuple[np.ndarray, str]], height_m: float
    ) -> None:
        for name in shown.keys() - texts.keys():
            shown.pop(name).remove()
        for name, (pos, text) in texts.items():
            label = shown.get(name)
            if label is None:
                shown[name] = self._scene.add_label(
                    *(name, text),
                    position=pos,
                    anchor="center-center",
                    font_size_mode="scene",
                    font_scene_height=height_m,
                )
                continue
            if not np.array_equal(label.position, pos):
                label.position = pos
            if label.text != text:
                label.text = text


def _sides(corners: np.ndarray) -> np.ndarray:
    """The four sides `[4, 2, 3]` between four corners `[4, 3]`."""
    return np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)


def _color_of(session: Session, scene: int) -> tuple[float, float, float]:
    if not session.endings[scene]:
        return RUNNING
    return GOOD if session.has_won(scene) else BAD
