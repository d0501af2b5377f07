"""Pictures to a video file, or one to its own."""

import contextlib
import importlib
import io
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from screwpush_jax.errors import UsageError
from screwpush_jax.files import write_atomically
from screwpush_jax.side_products import reason
from screwpush_sim.scene import Scene

if TYPE_CHECKING:
    from screwpush_sim.render import SceneRenderer

FOLDER = "videos"
"""In a run's folder: what training and evaluation film."""


_QUALITY = 85
"""Of a lossy picture, in percent."""


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


def part_of(path: Path, process: int) -> Path:
    """Where process number `process` writes a video before it has its name."""
    return path.absolute().with_name(f".play-{process}{path.suffix}")


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Pictures `[H, W, 3]` as MP4, or as an endless GIF if the name says so.

    Raises:
      Exception: encoding has many ways to fail; no half of a video is left then.
    """
    imageio: Any = importlib.import_module("imageio.v2")
    # the encoder is started by fork and exec, which JAX warns of and which does no harm
    warnings.filterwarnings("ignore", message=r"os.fork\(\) was called")
    part = part_of(path, os.getpid())
    try:
        if path.suffix == ".gif":
            writer = imageio.get_writer(part, mode="I", duration=1e3 / fps, loop=0)
        else:
            writer = imageio.get_writer(part, fps=fps, macro_block_size=2)
        with contextlib.closing(writer):  # its own `with` leaves the encoder alone at an error
            for frame in frames:
                writer.append_data(frame)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """`[H, W, 3]` as a file of the kind that its name says, .png or .webp.

    Raises:
      OSError: it cannot be written; no half of it is left.
    """
    image_module: Any = importlib.import_module("PIL.Image")
    coded = io.BytesIO()
    image_module.fromarray(picture).save(coded, format=path.suffix[1:], quality=_QUALITY)
    write_atomically(path, coded.getvalue())
