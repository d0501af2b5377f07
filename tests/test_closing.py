"""The last screen of a run, and what is told of its length before it begins."""

import importlib.util
import shlex
import sys

import pytest

from screwpush_jax.closing import closing_screen
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.forecast import evaluation_s, until

Config = config_type()

ROW = {
    **{"episodes": 512, "success_rate": 0.957, "success_low": 0.9358, "success_high": 0.9715},
    **{
        "out_of_area": 0.0234,
        "final_m": 0.125,
        "invalid": 0.0,
        "episode_len": 63.2,
        "return_": 41.2,
    },
}
SHARES = ["out_of_area"]
TABLE = {"learned": ROW, "scripted": {**ROW, "success_rate": 1.0, "episode_len": 147.0}}


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A run's folder below the folder where one is."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / "separate" / "20260101-000000-two words"
    (path / "videos").mkdir(parents=True)
    return path


def test_it_has_the_table_and_only_the_files_that_are_there(run_dir):
    (run_dir / "report.png").write_bytes(b"")
    lines = closing_screen(run_dir, TABLE, SHARES, 512).splitlines()
    assert len(lines) <= 24  # one screen
    (learned,) = [line for line in lines if line.startswith("learned")]
    # the distance is no share, though it is less than 1
    assert learned.split() == ["learned", "95.70%", "93.58%", "to", "97.15%", "2.34%", "63"]
    shown = [line.split(maxsplit=1)[1] for line in lines if "runs/separate" in line][:2]
    where = "'runs/separate/20260101-000000-two words"
    assert shown == [f"{where}/report.png'", f"{where}'"]
    (run_dir / "report.html").write_text("")
    assert (
        f"html      {where}/report.html'"
        in closing_screen(run_dir, TABLE, SHARES, 512).splitlines()
    )


def commands(screen):
    lines = screen.splitlines()
    return [shlex.split(line.split(maxsplit=2)[2]) for line in lines[lines.index("next") + 1 :]]


def test_the_next_three_commands_name_the_run_from_here(run_dir, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    see, judge, train = commands(
        closing_screen(run_dir, TABLE, SHARES, 512, ["--max-minutes", "12"])
    )
    run = "runs/separate/20260101-000000-two words"
    checkpoint = ["--checkpoint", f"{run}/checkpoints/512"]
    assert see[1:] == ["-m", "screwpush_jax.play", *checkpoint]
    assert judge[1:] == ["-m", "screwpush_jax.evaluate", *checkpoint, "--physics", "reference"]
    assert train[1:] == ["-m", "screwpush_jax.train", "--checkpoint", run, "--max-minutes", "12"]


def test_where_videos_need_packages_the_first_command_gets_them(run_dir, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    see, *_ = commands(closing_screen(run_dir, TABLE, SHARES, 512))
    assert see[1:6] == ["-m", "pip", "install", "imageio", "imageio-ffmpeg"]
    assert see[6] == "&&"


def test_the_interpreter_is_named_as_it_is_typed_here(run_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert {words[0] for words in commands(closing_screen(run_dir, TABLE, SHARES, 512))} == {
        ".venv/bin/python"
    }
    monkeypatch.setenv("PATH", str(tmp_path / ".venv" / "bin"))
    assert {words[0] for words in commands(closing_screen(run_dir, TABLE, SHARES, 512))} == {
        "python"
    }


def test_an_evaluation_takes_as_long_as_its_steps_and_start_states():
    report = {"perf/steps": 400.0, "perf/sim_ms": 20_000.0}  # 0.5 ms a step of one of 100 scenes
    both = (report, 100, 60.0, 1000, 500, 301)
    three, five = (evaluation_s(*both, policies) for policies in (3, 5))
    assert five - three == pytest.approx(2 * 301 * 500 * 0.5e-3)
    no_steps = evaluation_s(report, 100, 60.0, 1000, 500, 0, 3)
    assert no_steps - evaluation_s(report, 100, 0.0, 1000, 500, 0, 3) == pytest.approx(2 * 30.0)


def test_what_ends_training_is_said_in_words():
    config = from_tree({"num_envs": 4, "total_env_steps": 960, "max_minutes": 10}, Config, Config())
    assert until(config, 0.0) == "until 10 min are over or 960 control steps are done"
    good = from_tree({"stop_at_success": 0.95, "max_minutes": 0}, Config, config)
    assert until(good, 90.0) == (
        "until success is surely 95% or 960 control steps are done;"
        " then about 1 min 30 s of evaluation"
    )
