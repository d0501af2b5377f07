"""Videos through the command lines: drawn for real, and training does not notice."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.heavy
SIZE = ("--video.size", 160, 120)


def rows(run_dir):
    """What training logged, without how long it took."""
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if not k.startswith(("perf/", "time"))}
        for line in lines
    ]


def frames(path):
    """Frames `[T, H, W, 3]`, decoded in a process of its own: the decoder forks."""
    code = "import sys, imageio.v3 as i, numpy as n; n.save(sys.argv[2], i.imread(sys.argv[1]))"
    out = path.with_suffix(".npy")
    subprocess.run([sys.executable, "-c", code, str(path), str(out)], check=True, timeout=120)
    return np.load(out).astype(int)


def test_training_makes_videos_and_learns_bit_for_bit_the_same(trained, run_command, debug_config):
    args = ("--config", debug_config, "--name", "filmed", "--video.every", 1, *SIZE)
    result = run_command("train", *args, cwd=trained)
    assert result.returncode == 0, result.stderr
    filmed, plain = (next(trained.glob(f"runs/separate/*-{n}")) for n in ("filmed", "first"))
    assert rows(filmed) == rows(plain)
    videos = sorted((filmed / "videos").glob("train-*.mp4"))
    assert videos, result.stderr
    picture = frames(videos[0])
    assert picture.shape[1:] == (2 * 120, 2 * 160, 3)
    assert np.abs(picture[5] - picture[0]).max() > 50


def test_evaluation_films_the_episodes_that_show_most(trained, run_command):
    args = ("--checkpoint", "first", "--video.episodes", 3, "--video.format", "gif", *SIZE)
    result = run_command("evaluate", *args, cwd=trained)
    assert result.returncode == 0, result.stderr
    (folder,) = trained.glob("runs/separate/*-first/videos/eval-512-mujoco-eval")
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 3
    assert f"3 videos in {folder.relative_to(trained)}" in result.stdout
    endings = "success|time_limit|out_of_area|invalid"
    assert all(re.fullmatch(rf"episode\d+-({endings})\.gif", name) for name in names)
