"""Plays a checkpoint, as a video, stills or live: `python -m screwpush_jax.play --checkpoint best --view`."""

import dataclasses
import os
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import jax
import numpy as np
from annotated_types import Interval

from screwpush_jax import cli, compiled, evaluate, play_files, video
from screwpush_jax.build import World, make_world
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import FLAG_ONLY, Config
from screwpush_jax.episodes import policy_names
from screwpush_jax.errors import UsageError
from screwpush_jax.evaluation import run_episodes, unseen_starts
from screwpush_jax.filming import drawing
from screwpush_jax.filming.camera import Camera
from screwpush_jax.filming.clips import Clip, Maker
from screwpush_jax.side_products import reason
from screwpush_jax.tasks import registry as tasks
from screwpush_sim.physics import Name
from screwpush_sim.state import SimState

_FILMS, _STILLS = (".mp4", ".gif"), (".png", ".webp")
_SIZES_PX = 16, 4096
"""Smallest and largest side of a picture; the encoder takes even ones."""


_NICENESS = 10


@dataclasses.dataclass(frozen=True)
class PlayArgs(cli.CommandArgs):
    """The run's own configuration; flags change it for this command only."""

    checkpoint: Annotated[str, FLAG_ONLY] = "latest"
    """latest, best, a run's name or folder, or a step's folder."""
    physics: Annotated[Name, FLAG_ONLY] = "eval"
    """Which of the scene's physics steps it."""
    policy: str = "learned"
    """Who acts: learned, random, or one that the task brings, such as scripted."""
    episodes: int = 4
    """Episodes in the video, one after the other."""
    output: str = ""
    """File that does not exist yet: a video, .mp4 or .gif, or stills, .png or .webp, an episode a row; by
    default play-<step>-<policy>.mp4 in the run's folder, with a number if that exists. The states go beside
    it as .npz."""
    stills: Annotated[int, Interval(ge=2, le=16)] = 3
    """Pictures of an episode where the output is stills: its start, its end, and evenly between."""
    camera: str = ""
    """One of the scene's cameras, by its name; by default the first."""
    size: tuple[int, int] = (960, 720)
    """Width and height of an episode's picture, even numbers of pixels."""
    tile: bool = False
    """All episodes at once in a grid, instead of one after the other."""
    view: Literal["none", "browser", "native"] = "none"
    """Watch instead of writing a video: browser (also --view alone; extra `view`), or native, a window
    on this machine's display."""
    scenes: Annotated[int, Interval(ge=1, le=64)] = 4
    """Scenes that are watched."""
    follow: bool = False
    """Watch a run that is being trained: take each newer checkpoint."""
    host: str = "localhost"
    """Address that the page is served on; 0.0.0.0 lets in everybody who reaches this machine."""
    port: Annotated[int, Interval(ge=0, le=65535)] = 8080
    """Port of the page; 0 takes a free one."""


def main(argv: Sequence[str]) -> None:
    prog = "python -m screwpush_jax.play"
    spelled = with_view(argv)
    if "--view" in spelled:
        os.nice(_NICENESS)  # before there are threads; whoever trains here goes first
    args, found = cli.configure(PlayArgs, spelled, prog, __doc__ or "", PlayArgs.checkpoint)
    assert found is not None
    if args.view != "none":
        _watch(args, found)
        return
    scene = tasks.find(args.task)(args.env).scene(args.physics)
    _check(args, [camera.name for camera in scene.cameras])
    stem = f"play-{found.step}-{args.policy}"
    output = play_files.choose_output(args.output, found.run_dir, stem, *_FILMS, *_STILLS)
    if output.suffix in _FILMS:
        video.check_installed()
    renderer = video.open_renderer(scene, args.size, args.camera or scene.cameras[0].name)
    try:
        config = cli.fields_of(args, Config)
        clips, dt_s = record(config, found, args.policy, args.episodes, args.physics)
        kept = play_files.save_states(output, _columns([clip.states for clip in clips]))
        try:
            if output.suffix in _STILLS:
                video.write_picture(output, drawing.stills(clips, renderer, args.stills))
            else:
                lay_out = drawing.side_by_side if args.tile else drawing.one_by_one
                video.write_video(output, lay_out(clips, renderer), 1.0 / dt_s)
        except Exception as error:  # a full disk, an encoder that died
            said = f"{output} cannot be written: {reason(error)}; the states are in {kept}"
            raise UsageError(said) from error
    finally:
        renderer.close()
    won = sum(clip.captions[-1].won for clip in clips)
    trained = f"{found.run_dir.name} at {found.step:,} control steps"
    print(f"{trained}: {won} of {args.episodes} episodes succeeded: {output}")


def with_view(argv: Sequence[str]) -> list[str]:
    """The arguments, in which a `--view` without a value is one in a browser."""
    spelled = []
    for arg, after in zip(argv, [*argv, "--"][1:], strict=True):
        spelled += [arg, "browser"] if arg == "--view" and after.startswith("-") else [arg]
    return spelled


def _watch(args: PlayArgs, found: Found) -> None:
    """Shows scenes that run, until it is closed."""
    from screwpush_jax.viewer import start  # a video needs nothing of it

    _check_policy(args)
    native = args.view == "native"
    start.check(native, args.host, args.port)
    config = cli.fields_of(args, Config)
    cli.announce_engine(config)
    print(f"{found.run_dir.name} at {found.step:,} control steps; start states are being found")
    world = make_world(config, args.scenes, args.physics)
    try:
        load = partial(evaluate.load_policy, config, world=world)
        seed = config.eval.seed
        session = start.make_session(world, found, load, args.policy, seed, args.follow)
        start.watch(session, native, args.host, args.port)
    finally:
        world.sim.close()


def record(
    config: Config, found: Found, policy_name: str, episodes: int, physics: Name
) -> tuple[list[Clip], float]:
    """Runs the episodes; their clips, and the seconds between two states."""
    world: World = make_world(config, episodes, physics)
    camera = Camera(world.env, episodes, world.task.horizon + 1)
    try:
        policy = evaluate.load_policy(config, found, world)
        run_episodes(
            world,
            compiled.compile_episodes(world.env, world.algorithm),
            policy,
            unseen_starts(world, config.eval.seed),
            policy_name,
            config.eval.seed,
            witness=camera,
        )
        world.sim.report()()  # an engine that failed on the way says so
    finally:
        world.sim.close()
    film = jax.device_get(camera.take_out())
    maker = Maker(world.task, world.sim.spec.control_dt_s)
    clips = [maker.episode(film, number) for number in range(episodes)]
    return clips, camera.every * world.sim.spec.control_dt_s


def _columns(clips: list[SimState]) -> dict[str, np.ndarray]:
    return {
        f"episode{number}_{jax.tree_util.keystr(path, simple=True, separator='_')}": leaf
        for number, clip in enumerate(clips)
        for path, leaf in jax.tree_util.tree_leaves_with_path(clip)
    }


def _check(args: PlayArgs, cameras: list[str]) -> None:
    """Raises UsageError for a bad policy, camera, size or number."""
    if not cameras:
        raise UsageError(f"--task {args.task}: its scene has no camera, so there is no video of it")
    _check_policy(args)
    if (args.camera or cameras[0]) not in cameras:
        raise UsageError(f"--camera {args.camera!r}; valid: {', '.join(cameras)}")
    if args.episodes < 1:
        raise UsageError(f"--episodes {args.episodes}; valid: 1 or more")
    low, high = _SIZES_PX
    if any(side % 2 or not low <= side <= high for side in args.size):
        width, height = args.size
        raise UsageError(f"--size {width} {height}; valid: two even numbers from {low} to {high}")


def _check_policy(args: PlayArgs) -> None:
    valid = policy_names(tasks.find(args.task))
    if args.policy not in valid:
        raise UsageError(f"--policy {args.policy!r}; valid: {', '.join(valid)}")


if __name__ == "__main__":
    cli.run(main)
