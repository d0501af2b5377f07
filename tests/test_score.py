"""Scores against scipy, and what ranks before what."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.stats

from screwpush_jax.score import Score, wilson_interval


@pytest.mark.parametrize(("won", "count"), [(0, 10), (5, 10), (950, 1024), (1024, 1024)])
def test_interval_is_wilsons(won, count):
    theirs = scipy.stats.binomtest(won, count).proportion_ci(0.95, method="wilson")
    ours = wilson_interval(won / count, count)
    np.testing.assert_allclose(ours, (theirs.low, theirs.high), rtol=1e-6, atol=1e-9)
    assert Score.of_proportion(won / count, count, "training").low == ours[0]


def test_nothing_seen_is_nothing_known():
    assert wilson_interval(0.0, 0) == (0.0, 1.0)
    assert Score.of_proportion(1.0, 0, "training").low == 0.0


def test_a_lucky_few_do_not_beat_many():
    lucky, sure = Score.of_proportion(1.0, 130, "a"), Score.of_proportion(0.985, 2000, "a")
    assert lucky.mean > sure.mean
    assert lucky.low < sure.low
    assert Score.of_proportion(1.0, 2000, "a").low > sure.low


def test_a_score_survives_json():
    score = Score.of_proportion(0.25, 16, "training")
    assert Score.from_json(json.loads(json.dumps(dataclasses.asdict(score)))) == score
