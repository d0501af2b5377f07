"""`report-*.html`: what an evaluation found, as one page that needs no other file, and its figures.

It has the name of the results' own file, `eval-*.json`: beside it lie the page and a folder of the
page's name with each picture and what came of each episode.
"""

import base64
import datetime
import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from screwpush_jax import checkpoint, eval_figures, eval_file, pictures, run_folder
from screwpush_jax.build import World
from screwpush_jax.checkpoint import Found
from screwpush_jax.eval_figures import Picture, Rate
from screwpush_jax.eval_file import Stored
from screwpush_jax.evaluation import Result
from screwpush_jax.files import to_json, write_atomically
from screwpush_jax.outcomes import SUCCESS, Outcomes
from screwpush_jax.report import REPORT_FILE
from screwpush_jax.score import Score
from screwpush_jax.side_products import attempt
from screwpush_jax.tasks.records import Recorded

_TEMPLATE = "report_page.html"
_LISTED = 20
"""Failed episodes that the page names."""
VIDEOS = "videos"
"""In the run's folder: a folder for each evaluation, by the name of its results."""


def write(world: World, found: Found, results_file: Path, results: Mapping[str, Result]) -> Path:
    """Writes the page of the results that lie in `results_file`, and what belongs to it; its path.

    A figure that cannot be drawn is one printed line, and is missing.

    Raises:
      OSError: something cannot be written.
    """
    name = re.sub("^eval-", "report-", results_file.stem)
    folder, page = results_file.with_name(name), results_file.with_name(f"{name}.html")
    made_with = json.loads(results_file.read_bytes())
    outcomes = {name: r.outcomes for name, r in results.items() if r.outcomes is not None}
    dt_s = world.sim.spec.scene.physics.control_dt_s
    others = [one for one in eval_file.stored(found.run_dir) if one.path != results_file]
    drawn = _draw(_pictures(world, results, outcomes, others, dt_s), folder)
    write_atomically(folder / "episodes.json", to_json(_columns(outcomes)) + "\n")
    text = render(
        run=found.run_dir.name,
        task=world.task.name,
        made_with=made_with,
        control_dt_s=dt_s,
        written=datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
        policies=[_row(name, result, dt_s) for name, result in results.items()],
        others=others,
        checkpoints=_checkpoints(found.run_dir),
        figures=drawn,
        failed=_failed(found.run_dir, made_with, next(iter(outcomes.values()), None), dt_s),
        videos=_videos(found.run_dir, made_with),
        curves=_data_uri(found.run_dir / REPORT_FILE),
        folder=quote(folder.name),
    )
    write_atomically(page, text)
    return page


def render(**content: Any) -> str:
    """The page; what stands in `content` is text, whatever it looks like."""
    import jinja2

    source = importlib.resources.files("screwpush_jax").joinpath(_TEMPLATE).read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(content)


def _pictures(
    world: World,
    results: Mapping[str, Result],
    outcomes: Mapping[str, Outcomes],
    others: Sequence[Stored],
    dt_s: float,
) -> Iterator[Picture]:
    """Everything that is drawn, in its order on the page."""
    own = [Rate(n, r.success_rate, r.success_low, r.success_high) for n, r in results.items()]
    yield eval_figures.success_bars([*own, *map(_rate, others)])
    if outcomes:
        yield eval_figures.time_to_success(outcomes, dt_s)
        if (picture := eval_figures.failures(outcomes, dt_s)) is not None:
            yield picture
        if isinstance(world.task, Recorded):
            with attempt("the task's own figures are missing in the report"):
                records = {name: one.records for name, one in outcomes.items()}
                yield from map(eval_figures.of_task, world.task.report(records))


def _rate(one: Stored) -> Rate:
    where = ", ".join(filter(None, (f"step {one.step:,}", one.engine, one.physics)))
    label = where + (" *" if one.settings else "")
    return Rate(label, one.success, one.success_low, one.success_high)


def _checkpoints(run_dir: Path) -> list[tuple[int, Score]]:
    """The run's kept checkpoints and what they are rated by."""
    scores = ((step, checkpoint.score_of(run_dir, step)) for step in run_folder.steps(run_dir))
    return [(step, score) for step, score in scores if score is not None]


def _draw(pictures_: Iterator[Picture], folder: Path) -> list[dict[str, str]]:
    """Draws each into the folder; its title, and itself as text."""
    folder.mkdir(exist_ok=True)
    drawn = []
    for number, picture in enumerate(pictures_, start=1):
        with attempt(f"the figure {picture.title!r} is missing in the report"):
            png = pictures.render(picture.size_in, picture.paint)
            name = re.sub(r"\W+", "-", picture.title.lower()).strip("-")
            write_atomically(folder / f"{number}-{name}.png", png)
            drawn.append({"title": picture.title, "uri": _png_uri(png)})
    return drawn


def _row(name: str, result: Result, dt_s: float) -> dict[str, str]:
    """A policy's figures for people, by what they are called."""
    row = {
        "policy": name,
        "episodes": f"{result.episodes:,}",
        "success": f"{result.success_rate:.2%}",
        "95 % interval": f"{result.success_low:.2%} to {result.success_high:.2%}",
    }
    of = result.outcomes
    times = dt_s * of.length[of.ended_by == SUCCESS] if of is not None else np.zeros(0)
    for label, q in (("median", 0.5), ("90 %", 0.9)):
        said = f"{np.quantile(times, q):.2f} s" if len(times) else "-"
        row[f"time to success, {label}"] = said
    row |= {key.replace("_", " "): f"{share:.2%}" for key, share in result.shares.items()}
    row |= {key.replace("_", " "): f"{mean:.4g}" for key, mean in result.means.items()}
    return row | {"invalid": f"{result.invalid:.2%}", "return": f"{result.return_:.2f}"}


def _columns(outcomes: Mapping[str, Outcomes]) -> dict[str, Any]:
    """What came of each episode, by policy: a list for each figure, episode n at place n."""
    return {
        name: {
            "ended_by": one.ended_by.tolist(),
            **{key: _rounded(values) for key, values in one.figures.items()},
        }
        for name, one in outcomes.items()
    }


def _rounded(values: np.ndarray) -> list[Any]:
    items = values.tolist()
    return [float(f"{x:.6g}") for x in items] if values.dtype.kind == "f" else items


def _failed(
    run_dir: Path, made_with: Mapping[str, Any], learned: Outcomes | None, dt_s: float
) -> dict[str, Any]:
    """The learned policy's failed episodes: how many, and the first of them with their videos."""
    if learned is None:
        return {"count": 0, "listed": []}
    numbers = np.flatnonzero(learned.ended_by != SUCCESS)
    links = {int(v["episode"]): v["link"] for v in _videos(run_dir, made_with) if v["episode"]}
    listed = [
        {
            "episode": int(n),
            "ended_by": str(learned.ended_by[n]),
            "time": f"{dt_s * learned.length[n]:.2f} s",
            "return": f"{learned.figures['return'][n]:.2f}",
            "video": links.get(int(n), ""),
        }
        for n in numbers[:_LISTED]
    ]
    return {"count": len(numbers), "listed": listed}


def _videos(run_dir: Path, made_with: Mapping[str, Any]) -> list[dict[str, str]]:
    """Videos of this evaluation's episodes: the file's name, a link to it, the episode's number."""
    folder = f"{VIDEOS}/eval-{made_with['step']}-{made_with['engine']}-{made_with['physics']}"
    found = []
    for path in sorted((run_dir / folder).glob("*.mp4")):
        number = re.match(r"episode(\d+)-", path.name)
        link = quote(str(path.relative_to(run_dir)))
        found.append(
            {"name": path.name, "link": link, "episode": number.group(1) if number else ""}
        )
    return found


def _data_uri(path: Path) -> str:
    """A picture's file as text; empty if there is none."""
    try:
        return _png_uri(path.read_bytes())
    except OSError:
        return ""


def _png_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
