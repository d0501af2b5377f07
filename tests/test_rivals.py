"""What the comparison of learners makes of what it saw."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.rivals import watch as watches
from benchmarks.rivals.watch import Point, Watch, reached_s, windows


def points(episodes, successes):
    return [
        Point(float(i), i, e, s) for i, (e, s) in enumerate(zip(episodes, successes, strict=True))
    ]


def test_a_rate_is_over_the_newest_episodes_of_at_least_the_window():
    """Against a list of single episodes: each rate is over the fewest newest points that fill a window."""
    rng = np.random.default_rng(0)
    ended = rng.integers(0, 60, 80)
    good = rng.binomial(ended, np.linspace(0, 1, 80))
    seen = points(np.cumsum(ended), np.cumsum(good))
    got = dict(windows(seen, size=100))
    for last in range(1, 80):
        for first in range(last - 1, -1, -1):
            if ended[first + 1 : last + 1].sum() >= 100:
                rate = good[first + 1 : last + 1].sum() / ended[first + 1 : last + 1].sum()
                assert got[float(last)] == pytest.approx(rate)
                break
        else:
            assert float(last) not in got


def test_a_level_is_reached_when_it_first_is():
    curve = [(1.0, 0.5), (2.0, 0.91), (3.0, 0.89), (4.0, 0.99)]
    assert reached_s(curve, 0.9) == 2.0
    assert reached_s(curve, 0.98) == 4.0
    assert reached_s(curve, 0.995) is None


def test_a_watch_says_when_to_look_to_keep_and_to_end(monkeypatch):
    now = 100.0
    monkeypatch.setattr(watches.time, "perf_counter", lambda: now)
    watch, kept = Watch(limit_s=10.0, keep_at_s=(6.0, 3.0, 12.0)), []
    watch.begin()
    for now in np.arange(100.0, 110.5, 0.25):
        if watch.sample_due():
            watch.note(0, 0, 0)
        if watch.keep_due():
            watch.keep(lambda obs: obs)
            kept.append(watch.elapsed_s)
        assert watch.is_over == (now >= 110.0)
    assert kept == [3.0, 6.0]
    assert [point.s for point in watch.points] == pytest.approx(np.arange(0.5, 10.5, 0.5))


@pytest.mark.heavy
def test_our_own_run_is_watched_and_judged(tmp_path):
    """It goes through the loop of training itself, with a watch in the recorder's place."""
    flags = ("--config", "configs/debug.yaml", "--device", "cpu", "--minutes", "0.05")
    flags += ("--keep-at-s", "1", "--episodes", "4", "--out", str(tmp_path))
    command = [sys.executable, "-m", "benchmarks.rivals", "--only", "ours:ours", *flags]
    subprocess.run(command, check=True, cwd=Path(__file__).parent.parent)
    (row,) = map(json.loads, (tmp_path / "rivals.jsonl").read_text().splitlines())
    assert (row["what"], row["episodes"], len(row["judged"])) == ("ours", 4, 2)
    assert row["env_steps"] > 0
