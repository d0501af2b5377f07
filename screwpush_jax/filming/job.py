"""What a renderer is asked for: as one file on disk, read by `screwpush_jax.filming.worker`."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

from screwpush_jax import video
from screwpush_jax.filming.clips import Clip
from screwpush_sim.scene import Scene


@dataclasses.dataclass(frozen=True)
class Video:
    """One file to be written."""

    path: Path
    clips: tuple[Clip, ...]
    tiled: bool = False
    """All clips at once in a grid, instead of one after the other."""


@dataclasses.dataclass(frozen=True)
class Job:
    """Videos of one scene."""

    scene: Scene
    camera: str
    size_px: tuple[int, int]
    """Width and height of one clip's picture."""
    fps: float
    videos: tuple[Video, ...]


Ask = Callable[[], Job]
"""Makes the job, in another thread than the one that hands it in: it may wait for the device."""


def save(job: Job, path: Path) -> None:
    path.write_bytes(pickle.dumps(job))


def load(path: Path) -> Job:
    """Of our own making: a file that somebody else wrote must not be given."""
    return pickle.loads(path.read_bytes())


def parts(job: Job, process: int) -> list[Path]:
    """What a renderer that was ended, number `process`, may have left behind."""
    return [video.part_of(asked.path, process) for asked in job.videos]
