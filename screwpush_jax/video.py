"""Recorded states to an MP4 file."""

import warnings
from pathlib import Path

import numpy as np

from screwpush_jax.errors import UsageError
from sim.protocol import SimState
from sim.scene import SceneConfig

_PAUSE_FRAMES = 12
"""The last picture of an episode stays this long."""
_EDGE_PX = 10


def write_video(
    path: Path,
    clips: list[SimState],
    success: np.ndarray,
    scene: SceneConfig,
    camera: str,
    size: tuple[int, int],
) -> None:
    """One clip `[T, ...]` after the other in real time; an ended one is framed green or red.

    Raises:
      UsageError: the extra `video` is not installed.
      sim.errors.RendererUnavailableError: there is no OpenGL here.
    """
    try:
        import imageio.v2 as imageio
    except ImportError:
        raise UsageError(
            "a video needs the extra `video`: pip install 'screwpush-jax[video]'"
        ) from None
    from sim.render import SceneRenderer

    # the encoder is started by fork and exec, which JAX warns of and which does no harm
    warnings.filterwarnings("ignore", message=r"os.fork\(\) was called")
    renderer = SceneRenderer(scene, *size, camera)
    writer = imageio.get_writer(path, fps=round(1 / scene.control_dt_s), macro_block_size=2)
    try:
        for clip, won in zip(clips, success, strict=True):
            frame = np.zeros((size[1], size[0], 3), np.uint8)
            for t in range(len(clip.joint_pos_rad)):
                pose = (clip.joint_pos_rad, clip.screw_pos_w, clip.screw_quat_w)
                frame = renderer.frame(*(np.asarray(leaf[t]) for leaf in pose))
                writer.append_data(frame)
            for _ in range(_PAUSE_FRAMES):
                writer.append_data(_framed(frame, bool(won)))
    finally:
        writer.close()
        renderer.close()


def _framed(frame: np.ndarray, won: bool) -> np.ndarray:
    """The picture with a coloured border."""
    out = np.full_like(frame, (40, 170, 60) if won else (190, 40, 40))
    inner = slice(_EDGE_PX, -_EDGE_PX)
    out[inner, inner] = frame[inner, inner]
    return out
