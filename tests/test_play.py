"""Where a video goes, what is refused before any episode runs, and what is left when it fails."""

import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest

from screwpush_jax import play
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import config_type
from screwpush_jax.errors import UsageError
from screwpush_jax.filming import drawing
from screwpush_jax.filming.clips import Caption, Clip
from screwpush_jax.play import PlayArgs
from screwpush_jax.tasks.registry import TASKS
from screwpush_jax.tasks.separate.task import SeparateTask
from screwpush_sim.assets import humanoid
from screwpush_sim.errors import RendererUnavailableError
from screwpush_sim.state import Bodies, RobotState, SimState

N, S = 2, 3
LENGTHS = np.array([5, 3])


class Canvas:
    """A renderer whose pictures show the first joint as a brightness."""

    closed = 0

    def frame(self, state):
        return np.full((32, 48, 3), 10 * state.robot.joint_pos[0], np.uint8)

    def close(self):
        Canvas.closed += 1


@pytest.fixture
def ready(tmp_path, monkeypatch):
    """Plays with the arguments given, episodes made up; how often episodes ran."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    found, ran = Found(run_dir, 512, {}), []

    def clip(length, won):
        joints = np.repeat(np.arange(length, dtype=float)[:, None], 6, axis=1)
        zero = np.zeros((length, S, 3))
        screws = Bodies(zero, np.zeros((length, S, 4)), zero, zero)
        said = [Caption(("0.1 s",))] * (length - 1) + [Caption(("0.2 s",), "ended", won)]
        return Clip(SimState(RobotState(joints, joints), {"screws": screws}, {}), tuple(said))

    def record(*_):
        ran.append(1)
        return [clip(length, won) for length, won in zip(LENGTHS, (True, False), strict=True)], 0.05

    def call(**changes):
        args = config_type(kind=PlayArgs)(**{"episodes": N, "size": (48, 32)} | changes)
        monkeypatch.setattr(play.cli, "configure", lambda *_: (args, found))
        play.main([])
        return ran

    monkeypatch.setattr(play, "record", record)
    monkeypatch.setattr(play.video, "open_renderer", lambda *_: Canvas())
    monkeypatch.chdir(tmp_path)
    call.ran, call.run_dir = ran, run_dir
    return call


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.slow
def test_a_video_never_takes_anothers_place(ready, tmp_path):
    ready()
    before = {p: p.read_bytes() for p in ready.run_dir.iterdir()}
    (ready.run_dir / "play-512-learned-2.npz").write_text("mine")
    ready()
    assert files(ready.run_dir) == [
        "play-512-learned-2.npz",
        "play-512-learned-3.mp4",
        "play-512-learned-3.npz",
        "play-512-learned.mp4",
        "play-512-learned.npz",
    ]
    assert {p: p.read_bytes() for p in before} == before
    assert (ready.run_dir / "play-512-learned-2.npz").read_text() == "mine"


def test_the_states_are_those_of_the_episodes(ready):
    ready(output="new folder/out.mp4")
    with np.load("new folder/out.npz") as kept:
        for n, length in enumerate(LENGTHS):
            np.testing.assert_array_equal(
                kept[f"episode{n}_robot_joint_pos"][:, 0], np.arange(length)
            )
    assert Path("new folder/out.mp4").stat().st_size > 500


@pytest.mark.slow
def test_a_gif_and_a_grid(ready):
    ready(output="all.gif", tile=True)
    with PIL.Image.open("all.gif") as gif:
        assert gif.size == (2 * 48, 32)
        shown_ms = [frame.info["duration"] for frame in PIL.ImageSequence.Iterator(gif)]
    assert sum(shown_ms) == 50 * (max(LENGTHS) - 1 + 12)  # the last picture stays


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_stills_need_no_encoder_of_videos(kind, ready, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio.v2", None)
    ready(output=f"stills.{kind}", stills=4)
    assert files(Path()) == ["stills.npz", f"stills.{kind}"]
    with PIL.Image.open(f"stills.{kind}") as image:
        assert image.format == kind.upper()
        assert image.size == (4 * 48, N * 32)


def test_a_home_folder_is_meant(ready, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    ready(output="~/out.mp4")
    assert files(tmp_path / "home") == ["out.mp4", "out.npz"]
    assert not Path("~").exists()


BAD = {
    "policy": ({"policy": "lucky"}, "learned, random, scripted"),
    "camera": ({"camera": "mine"}, "table, overview"),
    "no episodes": ({"episodes": 0}, "1 or more"),
    "negative episodes": ({"episodes": -3}, "1 or more"),
    "odd size": ({"size": (161, 120)}, "even numbers from 16 to 4096"),
    "huge size": ({"size": (160, 40960)}, "even numbers from 16 to 4096"),
    "no size": ({"size": (0, 120)}, "even numbers from 16 to 4096"),
    "no video": ({"output": "out.avi"}, ".mp4 or .gif or .png or .webp"),
    "no name": ({"output": "folder/"}, ".mp4"),
    "only a suffix": ({"output": ".mp4"}, ".mp4"),
    "a video": ({"output": "there.mp4"}, "exists"),
    "states": ({"output": "states.mp4"}, "states.npz exists"),
    "a folder": ({"output": "folder.mp4"}, "exists"),
    "a dead link": ({"output": "link.mp4"}, "exists"),
    "below a file": ({"output": "there.mp4/deep/out.mp4"}, "nothing can be written there"),
    "below a device": ({"output": "/proc/none/out.mp4"}, "nothing can be written there"),
    "a long name": ({"output": "a" * 300 + ".mp4"}, "nothing can be written there"),
    "nobody's home": ({"output": "~no-such-user/out.mp4"}, "home"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_what_is_wrong_is_refused_before_anything_runs(mistake, ready, tmp_path):
    changes, hint = BAD[mistake]
    for name in ("there.mp4", "states.npz"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as refused:
        ready(**changes)
    assert hint in str(refused.value)
    assert "\n" not in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert not ready.ran


@pytest.fixture
def in_scene(ready, monkeypatch):
    """Plays a task in this scene; the cameras that were taken."""
    taken = []

    def play_in(scene, **changes):
        class Humanoid(SeparateTask):
            def scene(self, physics):
                return scene

        monkeypatch.setitem(TASKS, "separate", Humanoid)
        monkeypatch.setattr(
            play.video, "open_renderer", lambda *args: taken.append(args[2]) or Canvas()
        )
        ready(**changes)
        return taken

    return play_in


def test_the_cameras_are_the_scenes_own(in_scene):
    scene = humanoid.make_scene()
    assert in_scene(scene) == ["overview"]
    assert in_scene(scene, camera="side") == ["overview", "side"]
    with pytest.raises(UsageError, match="'table'; valid: overview, side"):
        in_scene(scene, camera="table")
    with pytest.raises(UsageError, match="no camera"):
        in_scene(dataclasses.replace(scene, cameras=()))


@pytest.mark.parametrize("missing", ["imageio.v2", "imageio_ffmpeg", "program", "OpenGL", "folder"])
def test_what_is_not_there_is_told_before_anything_runs(missing, ready, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RendererUnavailableError("no OpenGL context")

    hint, kind = "pip install", UsageError
    if missing == "OpenGL":
        monkeypatch.setattr(play.video, "open_renderer", fail)
        hint, kind = "no OpenGL", RendererUnavailableError
    elif missing == "folder":
        monkeypatch.setattr(play.play_files.tempfile, "TemporaryFile", lambda dir: os.stat("/no"))
        hint = "nothing can be written there"
    elif missing == "program":
        import imageio_ffmpeg

        monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", fail)
    else:
        monkeypatch.setitem(sys.modules, missing, None)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(kind, match=hint):
        ready(output="new folder/out.mp4")
    assert sorted(tmp_path.rglob("*")) == before
    assert not ready.ran


def test_states_outlive_a_video_that_fails(ready, tmp_path, monkeypatch):
    closed = Canvas.closed

    def fail(*_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(drawing, "annotate", fail)
    with pytest.raises(UsageError, match="out.mp4 cannot be written: .*the states are in out.npz"):
        ready(output="out.mp4")
    assert files(tmp_path) == ["out.npz"]
    with np.load("out.npz") as kept:
        assert len(kept["episode0_robot_joint_pos"]) == LENGTHS[0]
    assert Canvas.closed == closed + 1


def test_no_half_of_the_states_is_left(ready, tmp_path, monkeypatch):
    def fill(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fill)
    with pytest.raises(UsageError, match="No space left"):
        ready(output="out.mp4")
    assert files(tmp_path) == []
