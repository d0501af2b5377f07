"""Pictures with what is said of them: text by Pillow, a border at an episode's end, several in a grid."""

import functools
import importlib
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from screwpush_jax.filming.clips import Caption, Clip

if TYPE_CHECKING:
    from screwpush_sim.render import SceneRenderer

_PAUSE_FRAMES = 12
"""The last picture of an episode stays this long."""
_EDGE_PX = 6
_WON, _LOST, _PLAIN = (40, 170, 60), (190, 40, 40), (255, 255, 255)
_SMALL_PX = 240
"""Pictures lower than this have no room for the reward terms."""


def one_by_one(clips: Sequence[Clip], renderer: "SceneRenderer") -> Iterator[np.ndarray]:
    """Pictures `[H, W, 3]` of one clip after the other."""
    for clip in clips:
        yield from _pictures(clip, renderer)


def side_by_side(clips: Sequence[Clip], renderer: "SceneRenderer") -> Iterator[np.ndarray]:
    """Pictures `[rows * H, columns * W, 3]` of all clips at once; one that is over stands still."""
    columns = math.ceil(math.sqrt(len(clips)))
    rows = math.ceil(len(clips) / columns)
    playing: list[Iterator[np.ndarray]] = [_pictures(clip, renderer) for clip in clips]
    shown: list[Any] = [None] * len(clips)
    while True:
        new = [next(one, None) for one in playing]
        if all(picture is None for picture in new):
            return
        shown = [a if a is not None else b for a, b in zip(new, shown, strict=True)]
        blank = np.zeros_like(next(picture for picture in shown if picture is not None))
        tiles = [blank if picture is None else picture for picture in shown]
        tiles += [blank] * (rows * columns - len(tiles))
        grid = [np.concatenate(tiles[r * columns : (r + 1) * columns], axis=1) for r in range(rows)]
        yield np.concatenate(grid, axis=0)


def stills(clips: Sequence[Clip], renderer: "SceneRenderer", count: int) -> np.ndarray:
    """One picture `[len(clips) * H, count * W, 3]`: each row an episode, from its start to its end."""
    rows = []
    for clip in clips:
        instants = np.linspace(0, len(clip.captions) - 1, count).round().astype(int)
        rows.append(np.concatenate([_picture(clip, t, renderer) for t in instants], axis=1))
    return np.concatenate(rows, axis=0)


def _pictures(clip: Clip, renderer: "SceneRenderer") -> Iterator[np.ndarray]:
    for t, caption in enumerate(clip.captions):
        yield from [_picture(clip, t, renderer)] * (_PAUSE_FRAMES if caption.ending else 1)


def _picture(clip: Clip, t: int, renderer: "SceneRenderer") -> np.ndarray:
    state = jax.tree.map(lambda leaf: leaf[t], clip.states)
    return annotate(renderer.frame(state), clip.captions[t])


def annotate(picture: np.ndarray, caption: Caption) -> np.ndarray:
    """The picture `[H, W, 3]` with the caption's lines; at an end with a border and what ended it."""
    image_module: Any = importlib.import_module("PIL.Image")
    draw_module: Any = importlib.import_module("PIL.ImageDraw")
    height, width = picture.shape[:2]
    image = image_module.fromarray(np.ascontiguousarray(picture))
    pen = draw_module.Draw(image)
    size = max(9, height // 30)
    look = {"font": _font(size), "stroke_width": max(1, size // 12), "stroke_fill": (0, 0, 0)}
    lines = caption.lines if height >= _SMALL_PX else caption.lines[:2]
    for row, line in enumerate(lines):
        pen.text((_EDGE_PX + 4, _EDGE_PX + 2 + row * (size + 3)), line, fill=_PLAIN, **look)
    if caption.ending:
        colour = _WON if caption.won else _LOST
        pen.rectangle((0, 0, width - 1, height - 1), outline=colour, width=_EDGE_PX)
        place = (width // 2, height - _EDGE_PX - 4)
        pen.text(
            place, caption.ending, fill=colour, anchor="mb", **(look | {"font": _font(2 * size)})
        )
    return np.asarray(image)


@functools.cache
def _font(size: int) -> Any:
    return importlib.import_module("PIL.ImageFont").load_default(size)
