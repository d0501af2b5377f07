"""The videos that training and evaluation make of themselves."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from screwpush_jax import video
from screwpush_jax.build import World
from screwpush_jax.config import Config, VideoConfig
from screwpush_jax.env import EnvState
from screwpush_jax.film import Film
from screwpush_jax.filming.camera import Camera
from screwpush_jax.filming.clips import Maker, choose
from screwpush_jax.filming.job import Job, Video
from screwpush_jax.filming.studio import Studio
from screwpush_jax.side_products import attempt, reason, say
from screwpush_jax.tasks.task import Starts
from screwpush_sim.protocol import Views

_WAIT_S, _LONGEST_S = 120.0, 600.0
"""How long the end of training waits for a video, and how long one may take."""


def check_installed(config: Config) -> None:
    """Raises UsageError where videos are asked for and cannot be encoded."""
    if config.video.every or config.video.episodes:
        video.check_installed()


class TrainingFilms:
    """Films an episode's length of training every so many iterations; nothing of it can end a run."""

    def __init__(self, config: Config, world: World, run_dir: Path):
        self._config, self._world, self._folder = config, world, run_dir / video.FOLDER
        self._camera: Camera | None = None
        self._studio: Studio | None = None
        self._name = ""
        if config.video.every and not world.sim.spec.scene.cameras:
            say("no videos: the scene has no camera")
        elif config.video.every:
            self._camera = Camera(world.env, config.video.scenes, world.task.horizon)
            self._studio = Studio(_LONGEST_S)

    def prepare(self, starts: Starts, state: EnvState, views: Views) -> None:
        """Before the clock of training is started: compiles."""
        if self._camera is not None:
            try:
                self._camera.prepare(starts, state, views)
            except Exception as error:
                self._give_up(error)

    def see(self, starts: Starts, state: EnvState, views: Views) -> None:
        """Before each transition: what it is about to read."""
        if self._camera is not None and self._camera.running:
            try:
                self._camera.see(starts, state, views)
            except Exception as error:
                self._give_up(error)

    def iteration(self, number: int) -> None:
        """After iteration `number`: hands a full film in, or begins one."""
        camera, studio = self._camera, self._studio
        if camera is None or studio is None:
            return
        if not studio.open:
            self._camera = None
            return
        if (film := camera.take_out()) is not None:
            path = self._folder / f"{self._name}.{self._config.video.format}"
            studio.submit(f"the video {path.name}", lambda: self._job(film, path))
        if number % self._config.video.every == 0 and not camera.running:
            self._name = f"train-{number * self._config.batch_size}"
            camera.begin()

    @property
    def idle(self) -> bool:
        """Whether no video is being filmed or drawn."""
        filming = self._camera is not None and self._camera.running
        return not filming and (self._studio is None or self._studio.idle)

    def close(self, at_once: bool) -> None:
        """Waits for the videos that are being made, `at_once` for none."""
        if self._studio is not None:
            if not at_once and not self._studio.idle:
                print(f"a video is being finished, for at most {_WAIT_S:g} s")
            self._studio.close(0.0 if at_once else _WAIT_S)

    def _job(self, on_device: Film, path: Path) -> Job:
        film: Any = jax.device_get(on_device)
        maker = _maker(self._world)
        count = film.frames.live.shape[1]
        clips = tuple(maker.scene(film, number) for number in range(count))
        every = -(-self._world.task.horizon // len(film.frames.live))
        return _job(self._config.video, self._world, every, (Video(path, clips, tiled=True),))

    def _give_up(self, error: Exception) -> None:
        say(f"no more videos of training: {reason(error)}")
        self._camera = None


def for_evaluation(config: Config, world: World) -> Camera | None:
    """What films an evaluation, if that is asked for and there is something to see it from."""
    if not config.video.episodes or not world.sim.spec.scene.cameras:
        return None
    return Camera(world.env, config.eval.episodes, world.task.horizon + 1)


def make_of_evaluation(config: Config, world: World, camera: Camera, folder: Path) -> None:
    """Writes `episode<n>-<what ended it>` for the best, the worst and failed episodes, and waits."""
    with attempt("no videos of the evaluation"):
        film: Any = jax.device_get(camera.take_out())
        maker, ended = _maker(world), film.frames.ended
        numbers = np.flatnonzero(ended.any(axis=0))
        last = ended.argmax(axis=0)[numbers], numbers
        returns = film.frames.figures["return"][last]
        succeeded = film.frames.figures[world.task.score][last] > 0
        videos = []
        for index in choose(returns, succeeded, config.video.episodes):
            at = int(last[0][index]), int(numbers[index])
            how = maker.ending(film.frames.figures, at).replace(" ", "_")
            path = folder / f"episode{at[1]}-{how}.{config.video.format}"
            videos.append(Video(path, (maker.episode(film, at[1]),)))
        job = _job(config.video, world, camera.every, tuple(videos))
        studio = Studio(_LONGEST_S)
        studio.submit("the videos of the evaluation", lambda: job)
        studio.close(_LONGEST_S)
        if written := [v for v in videos if v.path.exists()]:
            print(f"  {len(written)} videos in {folder}")


def _maker(world: World) -> Maker:
    return Maker(world.task, world.sim.spec.control_dt_s)


def _job(config: VideoConfig, world: World, every: int, videos: tuple[Video, ...]) -> Job:
    scene = world.sim.spec.scene
    fps = 1.0 / (every * scene.physics.control_dt_s)
    return Job(scene, scene.cameras[0].name, config.size, fps, videos)
