"""The figures of an evaluation's report draw whatever episodes there are."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from screwpush_jax import eval_figures, pictures, task_figures
from screwpush_jax.eval_figures import Rate
from screwpush_jax.outcomes import Outcomes
from screwpush_jax.score import wilson_interval
from screwpush_jax.task_figures import rates_in_groups
from screwpush_jax.tasks.records import Histogram, Map, Rates, Records

NONE, ALIKE, SOME = np.zeros(0), np.full(9, 0.25), np.linspace(0.0, 1.0, 9)
UNKNOWN = np.where(SOME > 0.5, np.nan, SOME)


def drawn(picture):
    """How many pixels of the picture are neither white nor grey."""
    png = pictures.render(picture.size_in, picture.paint)
    return int(np.sum(np.ptp(imread(io.BytesIO(png))[..., :3], axis=-1) > 0.2))


def of_ends(*ends):
    success = np.array([end == "success" for end in ends])
    figures = {"episode_len": np.arange(1, len(ends) + 1)}
    return Outcomes(np.array(ends), figures, Records(success, {}, {}))


FIGURES = {
    "nothing": Histogram("t", "m", {"p": NONE}),
    "only a mark": Histogram("t", "m", {"p": NONE}, {"limit": 0.5}),
    "all alike": Histogram("t", "m", {"p": ALIKE}),
    "unknown": Histogram("t", "m", {"p": UNKNOWN, "q": SOME}, {"limit": 2.0}),
    "no rates": Rates("t", "m", {"p": NONE}, {"p": NONE > 0}),
    "rates alike": Rates("t", "m", {"p": ALIKE}, {"p": SOME > 0.5}),
    "rates": Rates("t", "m", {"p": UNKNOWN, "q": SOME}, dict.fromkeys("pq", SOME > 0.5)),
    "empty map": Map("t", np.zeros((0, 2)), "times", {"p": np.zeros((0, 2))}, {}),
    "map": Map("t", np.full((3, 2), np.nan), "times", {"p": np.ones((2, 2))}, {"box": np.eye(2)}),
}
BLANK = {Histogram: "nothing", Rates: "no rates", Map: "empty map"}
"""What has a legend and no more."""


@pytest.fixture(scope="module")
def blank():
    return {kind: drawn(task_figures.of_task(FIGURES[name])) for kind, name in BLANK.items()}


@pytest.mark.parametrize("name", sorted(FIGURES.keys() - BLANK.values() - {"only a mark"}))
def test_a_tasks_figure_is_drawn(name, blank):
    assert drawn(task_figures.of_task(FIGURES[name])) > 1.5 * blank[type(FIGURES[name])]


def test_a_mark_alone_is_drawn():
    assert drawn(task_figures.of_task(FIGURES["only a mark"]))


def test_what_is_no_figure_is_told():
    with pytest.raises(TypeError, match="str is no figure; valid: Histogram, Rates, Map"):
        task_figures.of_task("figure")


@pytest.mark.parametrize(
    "ends", [("success",) * 3, ("fell", "limit"), ("success", "fell", "limit")]
)
def test_times_are_drawn_whether_any_or_all_succeeded(ends):
    by_policy = {"learned": of_ends(*ends), "random": of_ends("limit")}
    assert drawn(eval_figures.time_to_success(by_policy, 0.05))
    assert drawn(eval_figures.failures(by_policy, 0.05))


def test_who_never_succeeds_has_a_line_at_zero():
    canvas = Figure()
    eval_figures.time_to_success({"learned": of_ends("fell", "limit")}, 0.05).paint(canvas)
    (line,) = canvas.axes[0].lines
    np.testing.assert_allclose(line.get_xydata(), [[0.0, 0.0], [0.1, 0.0]])


def test_without_failures_there_is_nothing_to_draw():
    assert eval_figures.failures({"learned": of_ends("success", "success")}, 0.05) is None


def test_rates_of_groups_are_those_of_a_slow_count():
    rng = np.random.default_rng(0)
    values, edges = rng.uniform(0, 1, 200), np.array([0.0, 0.2, 0.25, 0.26, 1.0])
    values[:2] = 1.0, 0.2  # on edges
    success = rng.uniform(0, 1, 200) < values
    middles, rates = rates_in_groups(values, success, edges)
    found = iter(zip(middles, rates, strict=True))
    for number, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        last = number == len(edges) - 2
        rows = [n for n, x in enumerate(values) if low <= x < high or (last and x == high)]
        if rows:
            middle, rate = next(found)
            mean = sum(success[n] for n in rows) / len(rows)
            assert middle == pytest.approx(sum(values[n] for n in rows) / len(rows))
            assert rate == Rate(
                "", pytest.approx(mean), *map(pytest.approx, wilson_interval(mean, len(rows)))
            )
    assert next(found, None) is None
