"""Plays a checkpoint and writes a video: `python -m screwpush_jax.play --checkpoint best`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import jax
import numpy as np

from screwpush_jax import cli, compiled, evaluate
from screwpush_jax.checkpoint import Found
from screwpush_jax.config import FLAG_ONLY, Config
from screwpush_jax.errors import UsageError
from screwpush_jax.evaluation import run_episodes, unseen_bank
from screwpush_jax.setup import World, make_world
from screwpush_jax.trial import POLICIES, Exam
from screwpush_jax.video import write_video
from sim.protocol import SimState


@dataclasses.dataclass(frozen=True)
class PlayArgs(Config):
    """The run's own configuration; flags change it for this command only."""

    config: Annotated[str, FLAG_ONLY] = ""
    """YAML file with values for the fields below; flags come on top."""
    checkpoint: Annotated[str, FLAG_ONLY] = "latest"
    """latest, best, a run's name or folder, or a step's folder."""
    policy: str = "learned"
    """Who acts: learned, random or scripted."""
    episodes: int = 4
    """Episodes in the video, one after the other."""
    output: str = ""
    """Video file; by default play-<step>-<policy>.mp4 in the run's folder."""
    camera: str = "table"
    """Camera: table or overview."""
    size: tuple[int, int] = (960, 720)
    """Width and height of the picture, pixels."""


def main(argv: Sequence[str]) -> None:
    prog = "python -m screwpush_jax.play"
    args, found = cli.configure(PlayArgs, argv, prog, __doc__ or "", PlayArgs.checkpoint)
    assert found is not None
    output = _output(args, found)
    states, exam = record(cli.fields_of(args, Config), found, args.policy, args.episodes)
    clips = cut(states, np.asarray(exam.length), args.episodes)
    np.savez_compressed(output.with_suffix(".npz"), allow_pickle=False, **_columns(clips))
    write_video(output, clips, np.asarray(exam.success), args.scene, args.camera, args.size)
    print(
        f"{int(np.sum(np.asarray(exam.success)))} of {args.episodes} episodes succeeded: {output}"
    )


def record(
    config: Config, found: Found, policy_name: str, episodes: int
) -> tuple[list[SimState], Exam]:
    """Runs the episodes; every step's state `[N, ...]` on the host, and the exam."""
    world: World = make_world(config, episodes)
    states: list[SimState] = []
    try:
        policy = evaluate.load_policy(config, found, world)
        exam = run_episodes(
            world,
            compiled.compile_trial(world.parts),
            policy,
            unseen_bank(world, config.eval.seed),
            policy_name,
            config.eval.seed,
            watch=lambda state: states.append(jax.tree.map(np.array, state)),
        )
        world.sim.report()()  # an engine that failed on the way says so
    finally:
        world.sim.close()
    return states[1:], exam


def cut(states: list[SimState], lengths: np.ndarray, episodes: int) -> list[SimState]:
    """One state history `[T, ...]` per episode, ended where the episode ended."""
    whole = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *states)
    return [jax.tree.map(lambda leaf, n=n: leaf[n, : lengths[n]], whole) for n in range(episodes)]


def _columns(clips: list[SimState]) -> dict[str, np.ndarray]:
    return {
        f"episode{number}_{field.name}": getattr(clip, field.name)
        for number, clip in enumerate(clips)
        for field in dataclasses.fields(clip)
    }


def _output(args: PlayArgs, found: Found) -> Path:
    """Where the video goes.

    Raises:
      UsageError: a bad policy, camera or file name, before anything runs.
    """
    for flag, value, valid in (
        ("policy", args.policy, tuple(POLICIES)),
        ("camera", args.camera, ("table", "overview")),
    ):
        if value not in valid:
            raise UsageError(f"--{flag} {value!r}; valid: {', '.join(valid)}")
    if args.episodes < 1 or min(args.size) < 16:
        raise UsageError("--episodes takes 1 or more, --size two numbers of 16 or more")
    name = f"play-{found.step}-{args.policy}.mp4"
    path = Path(args.output) if args.output else found.run_dir / name
    if path.suffix != ".mp4":
        raise UsageError(f"--output {path}; valid: a name that ends in .mp4")
    if args.output and path.exists():
        raise UsageError(f"--output {path} exists; take another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    cli.run(main)
