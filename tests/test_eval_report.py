"""The page of an evaluation: it says what was found, needs no other file, and takes nobody's place."""

import base64
import dataclasses
import html.parser
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from screwpush_jax import eval_report, pictures
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.evaluation import Result
from screwpush_jax.outcomes import Outcomes
from screwpush_jax.score import Score
from screwpush_jax.tasks.records import Histogram, Map, Rates, Records

DT_S = 0.05
ENDS = ["success", "fell over", "success", "time limit"]
HORIZON = 40


def outcomes(ends=ENDS, lengths=(10, 7, 20, HORIZON)):
    success = np.array([end == "success" for end in ends])
    figures = {
        "success_once": success,
        "episode_len": np.array(lengths, np.int32),
        "return": np.arange(len(ends), dtype=np.float32) / 3,
    }
    return Outcomes(np.array(ends), figures, Records(success, {}, {}))


def result(rate=0.5, **of):
    return Result(4, rate, 0.15, 0.85, {"fell_over": 0.25}, {"speed": 3.5}, 0.0, 19.25, 1.5, **of)


class Task:
    name = "<b>tidy</b>"

    def watch(self, derived):
        raise AssertionError

    def report(self, by_policy):
        names = dict.fromkeys(by_policy, np.linspace(0.0, 1.0, 4))
        return [
            Histogram("how far", "m", names, {"limit": 0.5}),
            Rates("how hard", "m", names, {n: one.success for n, one in by_policy.items()}),
            Map("where", np.zeros((3, 2)), "visits", {"end": np.ones((2, 2))}, {"box": np.eye(2)}),
        ]


def world(task=None):
    physics = SimpleNamespace(control_dt_s=DT_S)
    spec = SimpleNamespace(engine="mujoco", scene=SimpleNamespace(physics=physics))
    return SimpleNamespace(task=task or Task(), sim=SimpleNamespace(spec=spec))


def results_file(folder, name="eval-512-mujoco.json", rate=0.5, **changes):
    made_with = {"step": 512, "engine": "mujoco", "physics": "eval", "seed": 7, "episodes": 4}
    rates = {"episodes": 4, "success_rate": rate, "success_low": rate / 2, "success_high": 1.0}
    path = folder / name
    path.write_text(json.dumps(made_with | {"settings": {}} | changes | {"learned": rates}))
    return path


class Reader(html.parser.HTMLParser):
    """Tables as rows of cells, tags, and the sources and links."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.links, self.images, self.tags = [], [], [], []
        self._cell = False
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True
        self.images += [attrs["src"]] if tag == "img" else []
        self.links += [attrs["href"]] if tag == "a" else []

    def handle_endtag(self, tag):
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self._cell:
            self.rows[-1][-1] += data.strip()

    def column(self, first, name):
        """The cells under `name` in the table whose head begins with `first`."""
        begin = next(n for n, row in enumerate(self.rows) if row[:1] == [first])
        head, cells = self.rows[begin], []
        for row in self.rows[begin + 1 :]:
            if len(row) != len(head):
                break
            cells.append(row[head.index(name)])
        return cells


@pytest.fixture
def write(tmp_path):
    def call(task=None, results=None, path=None):
        results = results or {"learned": result(outcomes=outcomes()), "scripted": result(0.25)}
        found = Found(tmp_path, 512, {})
        return eval_report.write(world(task), found, path or results_file(tmp_path), results)

    return call


@pytest.mark.slow
def test_the_page_says_what_was_found(write, tmp_path, capsys):
    page = Reader(write())
    assert page.column("policy", "policy") == ["learned", "scripted"]
    assert page.column("policy", "success") == ["50.00%", "25.00%"]
    assert page.column("policy", "95 % interval") == ["15.00% to 85.00%"] * 2
    assert page.column("policy", "time to success, median") == ["0.75 s", "-"]
    assert page.column("policy", "fell over") == ["25.00%"] * 2
    assert page.column("episode", "episode") == ["1", "3"]
    assert page.column("episode", "ended by") == ["fell over", "time limit"]
    assert page.column("episode", "after") == ["0.35 s", "2.00 s"]
    kept = json.loads((tmp_path / "report-512-mujoco/episodes.json").read_text())["learned"]
    assert kept["ended_by"] == ENDS
    assert kept["episode_len"] == [10, 7, 20, HORIZON]
    assert kept["return"] == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=1e-5)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_the_page_needs_no_other_file(write, tmp_path):
    (tmp_path / "report.png").write_bytes(b"\x89PNG curves")
    page = Reader(write())
    assert {src[:22] for src in page.images} == {"data:image/png;base64,"}
    shown = [base64.b64decode(src[22:]) for src in page.images]
    names = ["success", "time-to-success", "what-ended-the-failures-and-when"]
    names += ["how-far", "how-hard", "where"]
    pngs = [tmp_path / f"report-512-mujoco/{name}.png" for name in names]
    assert [path.read_bytes() for path in pngs] == shown[:-1]
    assert shown[-1] == b"\x89PNG curves"
    assert len(list(pngs[0].parent.iterdir())) == len(pngs) + 1  # and the episodes
    assert not {"script", "link", "iframe"} & set(page.tags)


class Quiet:
    """A task that is no `Recorded`."""

    name = "quiet"


def test_a_task_without_figures_and_results_without_episodes_have_a_page(write, tmp_path, capsys):
    page = Reader(write(Quiet(), {"learned": result()}))
    assert page.column("policy", "success") == ["50.00%"]
    assert [p.name for p in (tmp_path / "report-512-mujoco").glob("*.png")] == ["success.png"]
    assert capsys.readouterr().err == ""


def test_names_are_text_and_no_markup(write, tmp_path):
    settings = {"env.name": "<script>alert(1)</script>"}
    page = Reader(write(Quiet(), {"<i>": result()}, results_file(tmp_path, settings=settings)))
    assert page.column("policy", "policy") == ["<i>"]
    assert not {"script", "i", "b"} & set(page.tags)


def test_other_evaluations_of_the_run_stand_beside_it(write, tmp_path):
    results_file(tmp_path, "eval-1024-physx.json", 0.75, step=1024, engine="physx")
    results_file(tmp_path, "eval-64-mujoco.json", 0.25, step=64, settings={"env.horizon": 9})
    for number, damaged in enumerate(['{"step": 3}', "{torn", "[]", '{"learned": 3}']):
        (tmp_path / f"eval-{number}-mujoco.json").write_text(damaged)
    page = Reader(write(Quiet(), {"learned": result()}))
    assert page.column("step", "step") == ["64", "1,024"]
    assert page.column("step", "engine") == ["mujoco", "physx"]
    assert page.column("step", "success") == ["25.00%", "75.00%"]
    assert page.column("step", "95 % interval")[0] == "12.50% to 100.00%"
    assert page.column("step", "other settings") == ["env.horizon 9", ""]


def test_the_runs_checkpoints_stand_beside_it_with_what_rates_them(write, tmp_path):
    for step, score in (
        (128, Score(0.25, 0.125, 640, "training")),
        (512, Score(0.75, 0.5, 16, "evaluation")),
    ):
        folder = tmp_path / "checkpoints" / str(step) / "metrics"
        folder.mkdir(parents=True)
        (folder / "metrics").write_text(json.dumps(dataclasses.asdict(score)))
    (tmp_path / "checkpoints/640").mkdir()  # half of one
    page = Reader(write(Quiet(), {"learned": result()}))
    assert page.column("saved at", "saved at") == ["128", "512"]
    assert page.column("saved at", "at least (95 %)") == ["12.50%", "50.00%"]
    assert page.column("saved at", "of") == ["training", "evaluation"]


def test_videos_are_linked_where_there_are_any(write, tmp_path):
    folder = tmp_path / "videos/eval-512-mujoco-eval"
    folder.mkdir(parents=True)
    for name in ("episode1-fell over.mp4", "episode0-success.mp4", "best.gif", "states.npz"):
        (folder / name).touch()
    page = Reader(write(Quiet(), {"learned": result(outcomes=outcomes())}))
    link = "videos/eval-512-mujoco-eval/episode1-fell%20over.mp4"
    assert page.column("episode", "video") == ["video", ""]
    assert page.links.count(link) == 2  # at its episode, and in the list
    assert "videos/eval-512-mujoco-eval/best.gif" in page.links
    assert not [x for x in page.links if "npz" in x]


@pytest.mark.parametrize(
    ("results", "physics", "videos"),
    [
        ("eval-512-mujoco-0123abcd.json", "eval", "eval-512-mujoco-eval-0123abcd"),
        ("eval-512-mujoco-reference.json", "reference", "eval-512-mujoco-reference"),
        ("eval-512-mujoco-train-0123abcd.json", "train", "eval-512-mujoco-train-0123abcd"),
    ],
)
def test_videos_of_other_results_are_not_linked(results, physics, videos, write, tmp_path):
    for folder in (videos, "eval-512-mujoco-eval", "eval-512-mujoco-train"):
        (tmp_path / "videos" / folder).mkdir(parents=True)
        (tmp_path / "videos" / folder / "episode1-fell.mp4").touch()
    page = Reader(write(Quiet(), path=results_file(tmp_path, results, physics=physics)))
    assert {x for x in page.links if "mp4" in x} == {f"videos/{videos}/episode1-fell.mp4"}


def test_each_result_has_a_page_of_its_own(write, tmp_path):
    other = results_file(tmp_path, "eval-512-mujoco-0123abcd.json")
    pages = {write(Quiet(), {"learned": result()}, path) for path in (None, other)}
    assert {p.name for p in pages} == {"report-512-mujoco.html", "report-512-mujoco-0123abcd.html"}


class Broken(Task):
    def report(self, by_policy):
        raise RuntimeError("no such screen")


def test_what_a_task_cannot_tell_is_one_line(write, capsys):
    page = Reader(write(Broken()))
    assert len(page.images) == 3
    (said,) = capsys.readouterr().err.splitlines()
    assert "no such screen" in said


def test_a_figure_that_cannot_be_drawn_is_one_line(write, capsys, monkeypatch):
    render = pictures.render
    monkeypatch.setattr(pictures, "render", lambda size, paint: render(size, lambda _: 1 / 0))
    page = Reader(write(Quiet(), {"learned": result()}))
    assert not page.images
    (said,) = capsys.readouterr().err.splitlines()
    assert "'success' is missing" in said


def test_a_page_that_cannot_be_written_leaves_no_half(write, tmp_path, monkeypatch):
    path = results_file(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: os.stat("/nowhere"))
    with pytest.raises(OSError, match="nowhere"):
        write(Quiet(), {"learned": result()}, path)
    assert not list(tmp_path.rglob("*.html*"))
