"""Recorded states to an MP4 file."""

import contextlib
import importlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from screwpush_jax.errors import UsageError
from screwpush_jax.side_products import reason
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState

if TYPE_CHECKING:
    from screwpush_sim.render import SceneRenderer

_PAUSE_FRAMES = 12
"""The last picture of an episode stays this long."""
_EDGE_PX = 10


def check_installed() -> None:
    """Raises UsageError where no video can be encoded."""
    hint = "a video needs the extra `video`: pip install 'screwpush-jax[video]'"
    try:
        importlib.import_module("imageio.v2")
        ffmpeg = importlib.import_module("imageio_ffmpeg")
    except ImportError:
        raise UsageError(hint) from None
    try:
        ffmpeg.get_ffmpeg_exe()
    except Exception as error:  # a wheel without the program, a variable that names another
        raise UsageError(f"{hint}; {reason(error)}") from None


def open_renderer(scene: Scene, size: tuple[int, int], camera: str) -> "SceneRenderer":
    """What draws the pictures, `size` wide and high in pixels. To be closed.

    Raises:
      RendererUnavailableError: there is no OpenGL here, or none for such pictures.
    """
    from screwpush_sim.render import SceneRenderer

    return SceneRenderer(scene, *size, camera)


def write_video(
    path: Path,
    clips: list[SimState],
    success: np.ndarray,
    renderer: "SceneRenderer",
    control_dt_s: float,
) -> None:
    """One clip `[T, ...]` after the other in real time; an ended one is framed green or red.

    Raises:
      Exception: encoding has many ways to fail; no half of a video is left then.
    """
    imageio: Any = importlib.import_module("imageio.v2")
    # the encoder is started by fork and exec, which JAX warns of and which does no harm
    warnings.filterwarnings("ignore", message=r"os.fork\(\) was called")
    part = path.absolute().with_name(f".play-{os.getpid()}.mp4")
    try:
        writer = imageio.get_writer(part, fps=round(1 / control_dt_s), macro_block_size=2)
        with contextlib.closing(writer):  # its own `with` leaves the encoder alone at an error
            for clip, won in zip(clips, success, strict=True):
                for frame in _frames(clip, bool(won), renderer):
                    writer.append_data(frame)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _frames(clip: SimState, won: bool, renderer: "SceneRenderer") -> Iterator[np.ndarray]:
    """Pictures `[H, W, 3]` of a clip, the last one framed for a while."""
    frame = None
    for t in range(len(clip.robot.joint_pos)):
        frame = renderer.frame(jax.tree.map(lambda leaf, t=t: leaf[t], clip))
        yield frame
    if frame is not None:
        yield from [_framed(frame, won)] * _PAUSE_FRAMES


def _framed(frame: np.ndarray, won: bool) -> np.ndarray:
    """The picture with a coloured border."""
    out = np.full_like(frame, (40, 170, 60) if won else (190, 40, 40))
    inner = slice(_EDGE_PX, -_EDGE_PX)
    out[inner, inner] = frame[inner, inner]
    return out
